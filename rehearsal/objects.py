"""Buckets saved to a folder and brought back: what moto keeps in memory, over a restart.

A saved folder is `<folder>/<bucket>/<key as hexadecimal>`, complete or not there at all: it is
written beside its place and renamed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from landfall import aws

PART = ".part"
LONGEST_NAME = 200
"""Characters in a file's name; longer keys are spread over folders. Linux allows 255."""


def saved(folder: Path) -> bool:
    """Whether `folder` holds what was saved."""
    return folder.is_dir()


def save(folder: Path, *, via: aws.Access) -> int:
    """Write every object of every bucket into `folder`. Returns how many.

    Raises:
        LandfallError: an object cannot be read; what was saved before stays.
    """
    part = folder.with_name(folder.name + PART)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    count = 0
    for bucket in aws.list_buckets(via=via):
        (part / bucket).mkdir()
        for stored in aws.list_objects(aws.Location(bucket=bucket, key=""), via=via):
            file = _file(part / bucket, stored.location.key)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(aws.get_object(stored.location, via=via))
            count += 1
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return count


def restore(folder: Path, *, via: aws.Access) -> int:
    """Bring back what `save` wrote, then remove `folder`. Returns how many objects; 0 if none.

    Objects that are there already stay as they are, so a restore that was cut off can be repeated.

    Raises:
        LandfallError: the endpoint refuses an object; `folder` stays.
    """
    count = 0
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        aws.ensure_bucket(place.name, via=via)
        for file in sorted(path for path in place.rglob("*") if path.is_file()):
            key = bytes.fromhex("".join(file.relative_to(place).parts)).decode()
            location = aws.Location(bucket=place.name, key=key)
            count += aws.create_object(location, file.read_bytes(), via=via)
    shutil.rmtree(folder, ignore_errors=True)
    return count


def _file(folder: Path, key: str) -> Path:
    name = key.encode().hex()
    pieces = [name[at : at + LONGEST_NAME] for at in range(0, len(name), LONGEST_NAME)]
    return folder.joinpath(*pieces)
