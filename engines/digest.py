"""Digests of values and files, all SHA-256 in hexadecimal."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def canonical(value: object) -> bytes:
    """`value` as JSON in one form only: sorted keys, no spaces, UTF-8.

    Raises:
        TypeError: it holds something that JSON cannot.
        ValueError: it holds a number that JSON cannot (NaN, infinity).
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def of_value(value: object) -> str:
    """The digest of a JSON-able value; the order of keys does not matter."""
    return hashlib.sha256(canonical(value)).hexdigest()


def of_file(path: Path) -> str:
    """The digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def of_folder(folder: Path) -> dict[str, str]:
    """The digest of every file below `folder`, by its path there, in order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): of_file(path) for path in files}
