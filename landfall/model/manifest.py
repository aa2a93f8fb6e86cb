"""What a file or a folder is, by digest: SHA-256, read as a stream.

The digest of a file is that of its bytes. The digest of a folder is that of its manifest: a line
`<sha256>  <path>` for every file below it, in the order of the paths, as `sha256sum` writes them.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from landfall.errors import InvalidInput, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file: its path below the folder (or its name), its SHA-256 in hexadecimal, its bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Every file of a folder in order, or the one file; and the digest of the whole."""

    entries: tuple[Entry, ...]
    digest: str

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.entries)


def read(path: Path) -> Manifest:
    """The manifest of a file or of a folder.

    Raises:
        InvalidInput: there is no such file or folder; or the folder holds no file, something that
            is neither file nor folder (a link, say), or a name that would break its manifest.
    """
    if path.is_file() and not path.is_symlink():
        entry = _entry(path, path.name)
        return Manifest(entries=(entry,), digest=entry.sha256)
    if not path.is_dir() or path.is_symlink():
        raise InvalidInput(str(path), [Problem(path="", message="is neither a file nor a folder")])
    names = _names(path)
    entries = tuple(_entry(path / name, name) for name in names)
    lines = "".join(f"{entry.sha256}  {entry.name}\n" for entry in entries)
    return Manifest(entries=entries, digest=hashlib.sha256(lines.encode()).hexdigest())


def _names(folder: Path) -> list[str]:
    found, problems = [], []
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            problems.append(Problem(path=name, message="is neither a file nor a folder"))
        elif any(unicodedata.category(each) in {"Cc", "Cs"} for each in name):
            wrong = "has a control character or an undecodable byte in its name"
            problems.append(Problem(path=ascii(name), message=wrong))
        elif path.is_file():
            found.append(name)
    if not found and not problems:
        problems.append(Problem(path="", message="holds no files"))
    if problems:
        raise InvalidInput(str(folder), sorted(problems, key=lambda each: each.path))
    return sorted(found)


def _entry(path: Path, name: str) -> Entry:
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        return Entry(name=name, sha256=sha256, size=stream.tell())
