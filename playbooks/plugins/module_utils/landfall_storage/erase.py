"""Taking an array out of service for good: keys first, then every disk, and proof of both."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import config, ladder
from .facts import Disk, Facts
from .gather import Run
from .plan import MAKE, Plan, Step
from .run import Failed
from .spec import Spec

TIMERS = ("landfall-storage-scrub.timer", "landfall-storage-watch.timer")

SAMPLES = 256
SAMPLE_BYTES = 4096
SANITIZE_POLL_S = 5
SANITIZE_TIMEOUT_S = 6 * 3600
"""The specification sets no limit; makers promise crypto erase in seconds and blocks in hours."""

CRYPTO_ERASE, BLOCK_ERASE = 0x1, 0x2
"""Bits of SANICAP, NVM Express base specification, Identify Controller."""

ACTIONS = {CRYPTO_ERASE: "start-crypto-erase", BLOCK_ERASE: "start-block-erase"}
DONE, RUNNING = (1, 4), 2
"""The lowest three bits of SSTAT, Sanitize Status log page; 4 is done, with deallocation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was done to one disk, and what a look at it afterwards found.

    `unchanged` counts samples that were not all zeros before and are the same afterwards.
    """

    serial: str
    model: str
    size_bytes: int
    method: str
    seconds: float
    sampled: int
    not_zero_before: int
    unchanged: int
    signatures: tuple[str, ...]

    @property
    def verified(self) -> bool:
        """Whether nothing of what was sampled is left, and no tool recognises anything."""
        return not self.unchanged and not self.signatures


def plan(spec: Spec, facts: Facts, confirmed: str) -> Plan:
    """What comes before the disks: data out of use, keys gone. Without confirmation, refused."""
    serials = [each for each in spec.serials if facts.disk(each) is not None]
    wanted = ladder.confirmation(spec, facts, spec.serials)
    if confirmed != wanted:
        return Plan(problems=tuple(_refusal(spec, facts, confirmed, wanted)), journal=facts.journal)
    strangers = ladder.contents(facts, serials, facts.journal.md if facts.journal else "")
    if strangers:
        said = [f"not of this array: {line}" for line in ladder.lost(strangers)]
        return Plan(problems=tuple(said), journal=facts.journal)
    return Plan(steps=tuple(_keys(spec, facts)), journal=facts.journal)


def _refusal(spec: Spec, facts: Facts, confirmed: str, wanted: str) -> Iterator[str]:
    if confirmed:
        yield f"storage_erase_confirm: {confirmed!r} is not what would erase these disks"
    yield "everything on these disks would be lost for ever, keys in escrow included:"
    for disk in map(facts.disk, spec.serials):
        if disk is not None:
            yield f"  {disk.serial} ({disk.path}): {', '.join(ladder.describe(disk))}"
    yield f"if that is wanted, give --extra-vars storage_erase_confirm={wanted}"


def _keys(spec: Spec, facts: Facts) -> Iterator[Step]:
    on = [name for name in TIMERS if facts.units.get(name, "").startswith("enabled")]
    opened = facts.filesystem
    use: list[tuple[str, ...]] = [("systemctl", "disable", "--now", *on)] if on else []
    if opened is not None and opened.mounted_at:
        use.append(("systemctl", "stop", config.mount_unit(spec.mount)))
    if facts.mapping:
        # Not by its unit: with the line of crypttab gone, systemd forgets that it can be stopped.
        use.append(("cryptsetup", "close", spec.name))
    yield Step(
        name="Take the array out of use",
        change=f"{spec.mount} is unmounted, {spec.mapped} closed",
        phase=MAKE,
        files={
            path: config.without_line(facts.files.get(path, ""), word)
            for path, word in ((config.CRYPTTAB, spec.name), (config.FSTAB, spec.mapped))
        },
        commands=tuple(use),
    )
    array = facts.array(facts.journal.md) if facts.journal else None
    if array is not None:
        yield Step(
            name="Erase every key of the container",
            change="what is on the disks cannot be read any more, by anybody",
            phase=MAKE,
            commands=(
                ("cryptsetup", "erase", "--batch-mode", array.path),
                # Udev looks at what was written, and no array is stopped that somebody has open.
                ("udevadm", "settle", "--timeout=60"),
                ("mdadm", "--stop", array.path),
            ),
        )


def sample(disk: Disk) -> dict[int, bytes]:
    """Blocks spread over a disk, the same each time, read past the page cache's memory of them."""
    found = {}
    handle = os.open(disk.path, os.O_RDONLY)
    try:
        last = disk.size_bytes // SAMPLE_BYTES - 1
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        for number in range(SAMPLES):
            offset = last * number // (SAMPLES - 1) * SAMPLE_BYTES
            found[offset] = os.pread(handle, SAMPLE_BYTES, offset)
    finally:
        os.close(handle)
    return found


def erase(run: Run, disk: Disk) -> tuple[str, float]:
    """Erase one disk by the best that it can do; which that was, and how long it took.

    The tool takes the disk itself: a controller's number need not be its disk's, once disks were
    pulled and plugged in again (NVMe multipath of the kernel).

    Raises:
        Failed: it refused.
    """
    began = time.monotonic()
    code, out, error = run(["nvme", "id-ctrl", "--output-format=json", disk.path])
    if code != 0:
        raise Failed(f"{disk.serial}: {error.strip()}")
    offered = int(json.loads(out).get("sanicap", 0))
    for bit, action in ACTIONS.items():
        if offered & bit:
            _checked(run, disk, ["nvme", "sanitize", f"--sanact={action}", disk.path])
            _wait(run, disk)
            return f"sanitize {action.removeprefix('start-')}", time.monotonic() - began
    _checked(run, disk, ["nvme", "format", "--ses=1", "--force", disk.path])
    return "format, user data erase (ses 1)", time.monotonic() - began


def _checked(run: Run, disk: Disk, command: list[str]) -> None:
    code, out, error = run(command)
    if code != 0:
        raise Failed(f"{disk.serial}: {' '.join(command)}: {(error or out).strip()}")


def _wait(run: Run, disk: Disk) -> None:
    until = time.monotonic() + SANITIZE_TIMEOUT_S
    while time.monotonic() < until:
        _, out, _ = run(["nvme", "sanitize-log", "--output-format=json", disk.path])
        said = json.loads(out or "{}")
        status = next((each for each in said.values() if isinstance(each, dict)), said)
        state = int(status.get("sstat") or status.get("SSTAT") or RUNNING) & 0x7
        if state in DONE:
            return
        if state != RUNNING:
            raise Failed(f"{disk.serial}: sanitize ended with status {state}")
        time.sleep(SANITIZE_POLL_S)
    raise Failed(f"{disk.serial}: sanitize has not ended after {SANITIZE_TIMEOUT_S} s")


def compare(
    disk: Disk,
    how: tuple[str, float],
    before: dict[int, bytes],
    after: dict[int, bytes],
    left: Disk,
) -> Erased:
    """What the look before and the look after say together."""
    zero = bytes(SAMPLE_BYTES)
    written = {offset for offset, block in before.items() if block != zero}
    return Erased(
        serial=disk.serial,
        model=disk.model,
        size_bytes=disk.size_bytes,
        method=how[0],
        seconds=round(how[1], 1),
        sampled=len(before),
        not_zero_before=len(written),
        unchanged=sum(after.get(offset) == before[offset] for offset in written),
        signatures=tuple(map(str, left.signatures)),
    )


def certificate(host: str, array: str, disks: list[dict[str, Any]], when: str) -> dict[str, Any]:
    """The certificate as data, with a digest that shows later changes."""
    body = {"host": host, "array": array, "erased_at": when, "disks": disks}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return {**body, "sha256": digest}


def forget(spec: Spec, folder: str) -> None:
    """Remove what this host still knows of the array: journal, escrow, key file."""
    paths = [Path(folder, f"{spec.name}.json"), Path(config.KEY_FOLDER, f"{spec.name}.key")]
    paths += sorted(Path(folder, "escrow").glob("*"))
    for path in paths:
        path.unlink(missing_ok=True)
