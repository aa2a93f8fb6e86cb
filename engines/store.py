"""Where built engines are kept: `<root>/<key>/engine/` and, beside it, `engine.sig`.

An entry appears whole or not at all, and never changes afterwards.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock

from engines import manifest, sign
from landfall.errors import IntegrityError, InvalidInput, Problem, Refused

ENGINE = "engine"
SIGNATURE = "engine.sig"
PIN = "pinned"
PARTIAL = ".partial-"
KEY = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One engine in the store."""

    key: str
    folder: Path

    @property
    def engine(self) -> Path:
        """The engine's files."""
        return self.folder / ENGINE

    @property
    def signature(self) -> Path:
        """The signature over them."""
        return self.folder / SIGNATURE

    @property
    def pinned(self) -> bool:
        """Whether `remove` refuses it."""
        return (self.folder / PIN).exists()


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of engines, by key."""

    root: Path

    def put(self, engine: Path, signature: Path) -> Entry:
        """Copy a built and signed engine in. An entry that is there already stays as it is.

        Raises:
            IntegrityError: the engine's files are not those of its manifest.
        """
        key = manifest.check(engine).predicate.key
        _check_key(key)
        self.root.mkdir(parents=True, exist_ok=True)
        with self._lock():
            found = self.get(key)
            if found is not None:
                return found
            for stale in self.root.glob(f"{PARTIAL}*"):  # left by a process that was killed
                shutil.rmtree(stale)
            partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=self.root))
            try:
                shutil.copytree(engine, partial / ENGINE)
                shutil.copyfile(signature, partial / SIGNATURE)
                partial.chmod(0o755)
                _flush(partial)
                partial.rename(self.root / key)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
        return Entry(key=key, folder=self.root / key)

    def get(self, key: str) -> Entry | None:
        """The entry of `key`, or None.

        Raises:
            InvalidInput: `key` does not look like one.
        """
        _check_key(key)
        folder = self.root / key
        return Entry(key=key, folder=folder) if folder.is_dir() else None

    def entries(self) -> list[Entry]:
        """Every engine in the store."""
        folders = sorted(self.root.iterdir()) if self.root.is_dir() else []
        return [
            Entry(key=each.name, folder=each)
            for each in folders
            if each.is_dir() and KEY.fullmatch(each.name)
        ]

    def verify(self, key: str, public_key: Path | None = None) -> manifest.Statement:
        """Check every byte of an entry; with a public key also the signature, which comes first.

        Raises:
            IntegrityError: it is not there, damaged, of another key, or not what was signed.
        """
        entry = self.get(key)
        if entry is None:
            raise IntegrityError(f"the store {self.root} has no engine {key}")
        if public_key is not None:
            sign.verify(entry.engine, entry.signature, public_key)
        statement = manifest.check(entry.engine)
        if statement.predicate.key != key:
            raise IntegrityError(
                f"{entry.engine} is the engine {statement.predicate.key}, not {key}"
            )
        return statement

    def damaged(self, public_key: Path | None = None) -> Iterator[tuple[str, str]]:
        """The key of every entry that fails `verify`, with the reason."""
        for entry in self.entries():
            try:
                self.verify(entry.key, public_key)
            except IntegrityError as error:
                yield entry.key, error.message

    def pin(self, key: str) -> None:
        """Protect an entry from `remove`: it is released, or the way back.

        Raises:
            IntegrityError: it is not there.
        """
        entry = self.get(key)
        if entry is None:
            raise IntegrityError(f"the store {self.root} has no engine {key}")
        (entry.folder / PIN).touch()

    def unpin(self, key: str) -> None:
        """Allow `remove` again."""
        (self.root / key / PIN).unlink(missing_ok=True)

    def remove(self, key: str) -> None:
        """Remove an entry; the way out for a damaged one. Does nothing where there is none.

        Raises:
            Refused: it is pinned.
        """
        with self._lock():
            entry = self.get(key)
            if entry is None:
                return
            if entry.pinned:
                raise Refused(f"engine {key} is pinned", hint="Unpin it first.")
            # Out of sight first: a process that is killed here leaves no half an entry.
            gone = self.root / f"{PARTIAL}{key}"
            entry.folder.rename(gone)
            shutil.rmtree(gone)

    def _lock(self) -> filelock.BaseFileLock:
        return filelock.FileLock(self.root / ".lock")


def _check_key(key: str) -> None:
    if KEY.fullmatch(key) is None:
        message = f"an engine's key is 64 hexadecimal digits, not {key!r}"
        raise InvalidInput("store", [Problem(path="key", message=message)])


def _flush(folder: Path) -> None:
    """Bring every byte below `folder` to the disk, so that a rename never names empty files."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
