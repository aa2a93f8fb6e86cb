"""Where built engines are kept: `<root>/<key>/engine/` and, beside it, `engine.sig`.

An entry appears whole or not at all, and never changes afterwards. Whoever adds or removes holds
the store's lock; whatever a killed process left behind is swept away by the next one that does.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from engines import manifest, sign
from engines.entry import PIN, Entry
from landfall import files
from landfall.errors import Busy, IntegrityError, InvalidInput, LandfallError, Problem, Refused

PARTIAL = ".partial-"
HOLDS = ".holds"
"""Below it a lock for each key that is being built or released. A dead process holds none."""
DIGESTS = ".digests.json"
KEY = re.compile("[0-9a-f]{64}")
PREFIX = re.compile("[0-9a-f]{4,64}")
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where a disk, a quota or the largest file is full."""


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of engines, by key."""

    root: Path

    def put(self, engine: Path, signature: Path) -> Entry:
        """Copy a built and signed engine in. An entry that is there already stays as it is.

        Raises:
            IntegrityError: the engine's files are not those of its manifest.
            LandfallError: the disk is full; nothing of the engine stays behind.
        """
        key = manifest.check(engine).predicate.key
        _check_key(key)
        with self._alone():
            found = self.get(key)
            if found is not None:
                return found
            partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=self.root))
            try:
                made = Entry(key=key, folder=partial)
                shutil.copytree(engine, made.engine)
                shutil.copyfile(signature, made.signature)
                partial.chmod(0o755)
                files.flush(partial)
                partial.rename(self.root / key)
            except BaseException as error:
                shutil.rmtree(partial, ignore_errors=True)
                if isinstance(error, OSError | shutil.Error) and _is_full(error):
                    raise self._full(engine) from error
                raise
            files.flush_one(self.root)
        return Entry(key=key, folder=self.root / key)

    def get(self, key: str) -> Entry | None:
        """The entry of `key`, or None.

        Raises:
            InvalidInput: `key` does not look like one.
        """
        _check_key(key)
        folder = self.root / key
        return Entry(key=key, folder=folder) if folder.is_dir() else None

    def find(self, prefix: str) -> Entry:
        """The one entry whose key begins with `prefix`, of four digits or more.

        Raises:
            InvalidInput: it is no such prefix, or no key or several keys begin with it.
        """
        found = [each for each in self.entries() if each.key.startswith(prefix)]
        if PREFIX.fullmatch(prefix) is None:
            message = f"a key's first digits are 4 to 64 hexadecimal ones, not {prefix!r}"
        elif not found:
            message = f"no engine in {self.root} begins with {prefix}"
        elif len(found) > 1:
            message = f"{prefix} is the beginning of {', '.join(each.key[:16] for each in found)}"
        else:
            return found[0]
        raise InvalidInput("store", [Problem(path="key", message=message)])

    def entries(self) -> list[Entry]:
        """Every engine in the store."""
        folders = sorted(self.root.iterdir()) if self.root.is_dir() else []
        return [
            Entry(key=each.name, folder=each)
            for each in folders
            if each.is_dir() and KEY.fullmatch(each.name)
        ]

    def verify(
        self, key: str, public_key: Path | None = None, *, full: bool = True
    ) -> manifest.Statement:
        """Check every byte of an entry; with a public key also the signature, which comes first.

        Without `full` files that did not change since they were last read are not read again, and
        the signature is not looked at: quick, and trusts the file system.

        Raises:
            IntegrityError: it is not there, damaged, of another key, or not what was signed.
        """
        entry = self._entry(key)
        try:
            if public_key is not None and full:
                sign.verify(entry.engine, entry.signature, public_key)
            statement = manifest.check(
                entry.engine, remembered=None if full else self.root / DIGESTS
            )
        except FileNotFoundError as error:
            raise IntegrityError(f"{entry.engine} went away while it was read: {error}") from error
        if statement.predicate.key != key:
            raise IntegrityError(
                f"{entry.engine} is the engine {statement.predicate.key}, not {key}"
            )
        return statement

    def damaged(
        self, public_key: Path | None = None, *, full: bool = True
    ) -> Iterator[tuple[str, str]]:
        """The key of every entry that fails `verify`, with the reason."""
        for entry in self.entries():
            try:
                self.verify(entry.key, public_key, full=full)
            except IntegrityError as error:
                yield entry.key, error.message

    def pin(self, key: str, reason: str = "") -> None:
        """Protect an entry from `remove`, and say why.

        Raises:
            IntegrityError: it is not there.
        """
        with self._alone():
            files.write(self._entry(key).folder / PIN, f"{reason}\n" if reason else "")

    def unpin(self, key: str) -> None:
        """Allow `remove` again."""
        _check_key(key)
        (self.root / key / PIN).unlink(missing_ok=True)

    @contextmanager
    def hold(self, key: str, *, wait: bool = True) -> Iterator[None]:
        """Keep `key` to oneself while it is built or released: one at a time, and it stays.

        Raises:
            Busy: somebody else holds it (only without `wait`).
        """
        _check_key(key)
        folder = self.root / HOLDS
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / key)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except filelock.Timeout as error:
            raise Busy(f"engine {key} is being built or released") from error
        try:
            yield
        finally:
            lock.release()

    def held(self, key: str) -> bool:
        """Whether somebody holds `key` now."""
        try:
            with self.hold(key, wait=False):
                return False
        except Busy:
            return True

    def remove(self, key: str, *, unless: Callable[[], str] = lambda: "") -> None:
        """Remove an entry; the way out for a damaged one. Does nothing where there is none.

        `unless` is asked last, while nobody else can add or remove: a reason to keep it after all.

        Raises:
            Refused: it is pinned, or `unless` had a reason.
            Busy: it is being built or released.
        """
        _check_key(key)
        with self._alone():
            entry = self.get(key)
            if entry is None:
                return
            if entry.pinned:
                raise Refused(f"engine {key} is pinned", hint="Unpin it first.")
            with self.hold(key, wait=False):
                if reason := unless():
                    raise Refused(f"engine {key} stays: {reason}")
                # Out of sight first: a process that is killed here leaves no half an entry.
                gone = self.root / f"{PARTIAL}{key}"
                entry.folder.rename(gone)
            shutil.rmtree(gone)

    def sweep(self) -> None:
        """Remove what killed processes left behind."""
        if self.root.is_dir():
            with self._alone():
                pass

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The store's lock, and a store without remains."""
        self.root.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(self.root / ".lock"):
            for stale in self.root.glob(f"{PARTIAL}*"):  # left by a process that was killed
                shutil.rmtree(stale)
            yield

    def _entry(self, key: str) -> Entry:
        entry = self.get(key)
        if entry is None:
            raise IntegrityError(f"the store {self.root} has no engine {key}")
        return entry

    def _full(self, engine: Path) -> LandfallError:
        size = files.size(engine)
        free = shutil.disk_usage(self.root).free
        return LandfallError(
            f"{self.root} is full: the engine has {size} bytes, {free} are free."
            " Nothing of it was kept",
            hint="landfall engine gc --dry-run shows what could go.",
        )


def _is_full(error: OSError) -> bool:
    """Whether a disk is full; a copy of a folder wraps the errors of its files as texts."""
    if error.errno is not None:
        return error.errno in FULL
    return any(os.strerror(number) in str(error) for number in FULL)


def _check_key(key: str) -> None:
    if KEY.fullmatch(key) is None:
        message = f"an engine's key is 64 hexadecimal digits, not {key!r}"
        raise InvalidInput("store", [Problem(path="key", message=message)])
