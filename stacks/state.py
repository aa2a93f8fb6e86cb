"""Where a stack's state lies on this machine, as a Pulumi backend names it."""

from __future__ import annotations

from pathlib import Path

SCHEME = "file://"

ATOMIC = "metadata=skip"
"""State without a file of attributes beside each file.

Pulumi renames a finished state into its place, but writes the attributes where they are to be: a
run that is killed in between leaves them empty, and every later one fails with `failed to load
checkpoint: EOF`. See `metadata` in https://pkg.go.dev/gocloud.dev/blob/fileblob#URLOpener.
"""


def local(folder: Path) -> str:
    """The backend URL of a folder, for state that survives a kill at any moment."""
    return f"{SCHEME}{folder.resolve()}?{ATOMIC}"


def folder_of(url: str) -> Path | None:
    """The folder that a backend URL names, or None for a backend that is not on this machine."""
    if not url.startswith(SCHEME):
        return None
    return Path(url.removeprefix(SCHEME).partition("?")[0])
