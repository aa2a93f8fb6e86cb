"""One engine as it lies in a store: `engine/`, `engine.sig`, and a pin where somebody set one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engines import manifest
from landfall import files
from landfall.errors import IntegrityError

ENGINE = "engine"
SIGNATURE = "engine.sig"
PIN = "pinned"
UNKNOWN = "unknown"


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

    @property
    def reason(self) -> str:
        """Why it is pinned, as was said then; empty where nothing was said."""
        try:
            return (self.folder / PIN).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return files.size(self.folder)

    @property
    def added(self) -> float:
        """When it was put here, or signed again, in seconds since the epoch."""
        signed = self.signature if self.signature.exists() else self.folder
        return signed.stat().st_mtime

    @property
    def name(self) -> str:
        """The served name that it was built for, as far as its manifest can be read."""
        try:
            return manifest.read(self.engine).predicate.engine
        except IntegrityError:
            return UNKNOWN
