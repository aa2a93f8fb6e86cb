"""What git knows of a checkout."""

from __future__ import annotations

from pathlib import Path

from landfall import process


def head(root: Path) -> str:
    """The commit that is checked out; empty where there is none."""
    return _said(root, "rev-parse", "HEAD")


def state(root: Path) -> str:
    """The commit that is checked out, with `+` behind it where files differ from it."""
    commit = head(root)
    return f"{commit}+" if commit and _said(root, "status", "--porcelain") else commit


def user(root: Path) -> str:
    """Who commits here; empty where git knows no name."""
    return _said(root, "config", "user.name")


def _said(root: Path, *words: str) -> str:
    done = process.run(["git", "-C", root, *words], check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
