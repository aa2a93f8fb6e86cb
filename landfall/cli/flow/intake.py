"""What is admitted goes in: verified against its record, resumable, and marked when it is whole.

Below `admitted/<kind>/<name>/<digest>/` lie the files under `data/`, and beside them, written last,
`admission.json`: the record and what the files are. What has no such file has not entered.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from landfall import aws, files
from landfall.errors import IntegrityError, InvalidInput, LandfallError, Problem
from landfall.model import admission, manifest
from landfall.model.admission import Admission, Destination
from landfall.model.manifest import Entry, Manifest

PREFIX = "admitted"
DATA = "data"
MARK = "admission.json"
DIGEST_LENGTH = 16
"""Hexadecimal digits of the digest in a path: enough to tell versions of one name apart."""
CHUNK = 2**20

Say = Callable[[str], None]
"""Is told which file is being looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would enter: every file of `source`, as the record admits it."""

    record: Admission
    source: Path
    manifest: Manifest

    @property
    def place(self) -> str:
        """Where it goes, below a bucket or a folder."""
        digest = self.manifest.digest[:DIGEST_LENGTH]
        return f"{PREFIX}/{self.record.id}/{digest}"

    @property
    def mark(self) -> str:
        """The text of the file that says that all is there."""
        told = {
            "admission": self.record.model_dump(mode="json"),
            "files": [
                {"name": each.name, "sha256": each.sha256, "bytes": each.size}
                for each in self.manifest.entries
            ],
        }
        return json.dumps(told, indent=2, ensure_ascii=False) + "\n"

    def file(self, entry: Entry) -> Path:
        """Where a file of the manifest is read from."""
        return self.source if self.source.is_file() else self.source / entry.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """How many files were written now, and how many were there already."""

    place: str
    written: int
    kept: int


def plan(record: Path, source: Path, to: Destination) -> Plan:
    """Read the record and compare `source` with it. Touches nothing.

    Raises:
        InvalidInput: the record has problems, or does not admit to that half; all together.
        IntegrityError: `source` is not what was admitted.
    """
    found = admission.load(record, today=datetime.now(UTC).date())
    if to not in found.destinations:
        may = ", ".join(found.destinations)
        message = f"{found.id} may enter {may}, not {to}"
        raise InvalidInput(str(record), [Problem(path="admission.destinations", message=message)])
    return Plan(record=found, source=source, manifest=admission.verify(found, source))


def to_bucket(
    ready: Plan,
    bucket: str,
    say: Say,
    *,
    via: aws.Access = aws.AS_CONFIGURED,
    part_bytes: int = aws.PART_BYTES,
) -> Entered:
    """Put everything into a bucket of the cloud half; goes on where it was cut off.

    Raises:
        IntegrityError: a file changed since the plan was made, or arrived damaged.
        Missing, Refused, Unreachable: as `aws.put_object`.
    """
    place = aws.Location(bucket=bucket, key=ready.place)
    written = 0
    for entry in ready.manifest.entries:
        say(entry.name)
        written += aws.upload(
            ready.file(entry),
            place.below(f"{DATA}/{entry.name}"),
            sha256=entry.sha256,
            tags=ready.record.tags,
            part_bytes=part_bytes,
            via=via,
        )
    aws.put_object(place.below(MARK), ready.mark.encode(), tags=ready.record.tags, via=via)
    return Entered(place=str(place), written=written, kept=len(ready.manifest.entries) - written)


def to_folder(ready: Plan, folder: Path, say: Say) -> Entered:
    """Copy everything below a folder of the site; goes on where it was cut off.

    Raises:
        IntegrityError: a file changed since the plan was made, or there is more in its place than
            was admitted.
        LandfallError: the folder cannot be written.
    """
    place = folder / ready.place
    written = 0
    try:
        for entry in ready.manifest.entries:
            say(entry.name)
            written += _copy(ready.file(entry), place / DATA / entry.name, entry)
        _only(ready, place / DATA)
        files.write(place / MARK, ready.mark)
    except OSError as error:
        raise LandfallError(f"{place} cannot be written: {error.strerror}") from error
    return Entered(place=str(place), written=written, kept=len(ready.manifest.entries) - written)


def _copy(source: Path, to: Path, entry: Entry) -> bool:
    if to.is_file() and manifest.read(to).digest == entry.sha256:
        return False
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_name(f".{to.name}.part")
    try:
        with source.open("rb") as read, part.open("wb") as write:
            shutil.copyfileobj(read, write, CHUNK)
            write.flush()
            os.fsync(write.fileno())
        if manifest.read(part).digest != entry.sha256:
            raise IntegrityError(f"{source} has changed: its SHA-256 is not {entry.sha256}")
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)
    return True


def _only(ready: Plan, data: Path) -> None:
    """Refuse a place that holds more than was admitted: whoever reads it would read that too."""
    there = {each.name for each in manifest.read(data).entries}
    more = sorted(there - {each.name for each in ready.manifest.entries})
    if more:
        listed = ", ".join(more[:3])
        raise IntegrityError(
            f"{data} holds {len(more)} files that {ready.record.id} does not admit: {listed}",
            hint="Remove them, then run this again.",
        )
