"""What was begun and finished on this host, on its root disk, so that a power cut is survived.

Before anything is made its UUID is drawn and written here, and the step that makes it is noted as
begun. Whatever carries one of these UUIDs was made by this role and, until the file system is
finished (`fill`), is empty: it may be made anew. From `fill` on it may not.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import asdict, replace
from pathlib import Path

from .facts import Journal

FOLDER = "/var/lib/landfall/storage"
"""On the root disk: it must not depend on the array."""

MEMORY = "/run/landfall-storage"
"""On tmpfs: what a power cut shall forget."""

STEPS = ("create", "encrypt", "enrol", "escrow", "verified", "fill")
"""The steps that are noted, in their order."""


def path(name: str, folder: str = FOLDER) -> Path:
    """The journal of the array `name`."""
    return Path(folder) / f"{name}.json"


def read(name: str, folder: str = FOLDER) -> Journal | None:
    """The journal of the array `name`; None where this host has none.

    Raises:
        ValueError: there is a file, but it is not a journal.
    """
    try:
        text = path(name, folder).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        found = json.loads(text)
        lists = {key: tuple(found[key]) for key in ("members", "spares", "finished")}
        return Journal(**{**found, **lists})
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(
            f"{path(name, folder)}: not a journal ({error}); move it away only if the array is "
            "empty: without it every disk with something on it is refused"
        ) from error


def write(name: str, journal: Journal, folder: str = FOLDER) -> None:
    """Write the journal whole or not at all, on the disk before this returns."""
    target = path(name, folder)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(target, json.dumps(asdict(journal), indent=1) + "\n", mode=0o600)


def replace_file(target: Path, text: str | bytes, *, mode: int) -> None:
    """Write a file whole or not at all, on the disk before this returns."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.landfall-new")
    data = text.encode() if isinstance(text, str) else text
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as sink:
        os.fchmod(sink.fileno(), mode)
        sink.write(data)
        sink.flush()
        os.fsync(sink.fileno())
    partial.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def fresh(members: tuple[str, ...], spares: tuple[str, ...], *, drawn: bool = True) -> Journal:
    """The journal of an array that is about to be made.

    Its UUIDs are drawn, or all zeros: what is only shown must be the same each time.
    """
    md, luks, filesystem = (uuid.uuid4() if drawn else uuid.UUID(int=0) for _ in range(3))
    return Journal(
        md=str(md),
        luks=str(luks),
        filesystem=str(filesystem),
        members=members,
        spares=spares,
        begun="",
        finished=(),
        epoch=0,
        digests={},
    )


def begin(journal: Journal, step: str) -> Journal:
    """The journal when `step` begins: neither it nor anything after it is done."""
    before = STEPS[: STEPS.index(step)]
    return replace(
        journal, begun=step, finished=tuple(each for each in journal.finished if each in before)
    )


def finish(journal: Journal, step: str) -> Journal:
    """The journal when `step` is done."""
    return replace(journal, begun="", finished=(*journal.finished, step))


def adopted(
    md: str, luks: str, filesystem: str, members: tuple[str, ...], spares: tuple[str, ...]
) -> Journal:
    """The journal of an array that another installation of this host made."""
    made = fresh(members, spares)
    return replace(made, md=md, luks=luks, filesystem=filesystem, finished=STEPS)
