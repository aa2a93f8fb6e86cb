"""Which engines the environments' releases need: committed, changed, or a rehearsal's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from landfall import process
from landfall.errors import CommandFailed, InvalidInput, Problem
from landfall.model.environment import LEAVINGS
from landfall.model.parsing import parse
from landfall.model.release import Releases

RELEASES = "releases"


def claims(root: Path) -> dict[str, list[str]]:
    """By key, every release of the checkout that names it: committed, changed or a rehearsal's.

    What is committed counts besides what stands in the files: a release that is being edited may
    be put back.

    Raises:
        InvalidInput: a file of releases is not one, so that nobody knows what it needs.
    """
    found: dict[str, list[str]] = {}
    for source, value in _release_files(root):
        for name, release in parse(Releases, value or {}, source=source).root.items():
            for each in release.engines:
                found.setdefault(each.key, []).append(f"{source}: {name} {each.share} %")
            if release.previous:
                found.setdefault(release.previous, []).append(f"{source}: way back of {name}")
    return {key: sorted(set(reasons)) for key, reasons in found.items()}


def _release_files(root: Path) -> Iterator[tuple[str, Any]]:
    """Every file of releases, with a name for people and its content."""
    paths = [*root.glob(f"{RELEASES}/*.yaml"), *root.glob(f"{LEAVINGS}/*/releases.yaml")]
    for path in sorted(paths):
        yield path.relative_to(root).as_posix(), _yaml(path.read_text(encoding="utf-8"), path)
    committed = _git(root, "ls-tree", "-r", "--name-only", "HEAD", f"{RELEASES}/")
    for name in committed.splitlines():
        if name.endswith(".yaml"):
            yield f"{name} as committed", _yaml(_git(root, "show", f"HEAD:./{name}"), Path(name))


def _yaml(text: str, path: Path) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidInput(str(path), [Problem(path="", message=f"not YAML: {error}")]) from error


def _git(root: Path, *words: str) -> str:
    """What git says; nothing where there is no repository or no commit.

    Raises:
        CommandFailed: git cannot read the repository, so that nobody knows what is committed.
        MissingTool: there is a repository and no git.
    """
    if not (root / ".git").exists():
        return ""
    done = process.run(["git", "-C", root, *words], check=False)
    if done.returncode != 0 and "HEAD" not in done.stderr:
        raise CommandFailed(f"git cannot read {root}: {done.stderr.strip()}")
    return done.stdout if done.returncode == 0 else ""
