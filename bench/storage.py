"""What encryption and a file system cost on an array, and what a pulled disk loses. Needs the rack.

One emulated server has eight disks: the storage role makes its array of four, the other four are
an md array of the same kind with nothing on it. All are asked in turns, in one run; an emulated
processor encrypts far slower than a real one, so that only the ratios of one run mean something.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from bench.figure import Figure
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import Disk, Hardware, server
from tests.rack import disks
from tests.rack.conftest import Boot, Playbooks, rack_named, remove

DISK_MIB = 512
PULLS = 20
ROUNDS = 3
"""Of every question to every array; the median of the rounds' ratios counts."""

SECONDS, FILE_MIB, DEPTH = 3, 128, 16

BARE = "/dev/md/bare"
FILE = f"{disks.MOUNT}/measured"

PATTERNS = {
    "sequential read": ("read", "1M"),
    "sequential write": ("write", "1M"),
    "random read": ("randread", "4k"),
    "random write": ("randwrite", "4k"),
}

BYPASS = ("--perf-no_read_workqueue", "--perf-no_write_workqueue")
WAYS = {"LUKS2 and XFS, no workqueues": BYPASS, "LUKS2 and XFS, workqueues": ()}


def hardware() -> Hardware:
    """The usual server, and four disks more."""
    made = server("bs-1", disk_mib=DISK_MIB)
    more = tuple(Disk(serial=f"BS-1-BARE{bay}", size_mib=DISK_MIB) for bay in range(4))
    return replace(made, disks=(*made.disks, *more))


@contextmanager
def array(made: Hardware) -> Iterator[Guest]:
    """A server with both arrays, whole; it is gone afterwards."""
    with ExitStack() as stack:
        rack = rack_named(f"{os.getpid()}-bench")
        stack.callback(remove, rack)
        rack.up()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="landfall-bench-")))
        guest = Boot(rack, stack).clone(made)
        ours = [each for each in made.disks if "NVME" in each.serial]
        Playbooks(folder, rack).play(
            "storage.yml", hosts={guest: disks.variables(ours)}, values=disks.values(folder)
        )
        bare = [path for path, serial in guest.serials().items() if "BARE" in serial]
        guest.run(
            f"mdadm --create {BARE} --run --quiet --level=10 --raid-devices=4 --chunk=512K "
            f"--bitmap=internal --homehost=any {' '.join(bare)}; mdadm --wait {BARE} || true; "
            f"dd if=/dev/urandom of={FILE} bs=1M count={FILE_MIB} conv=fsync status=none"
        )
        disks.rebuilt(guest)
        yield guest


def measure() -> list[Figure]:
    """Throughput as ratios to md alone, and how many acknowledged writes were lost."""
    with array(hardware()) as guest:
        rounds = [speeds(guest) for _ in range(ROUNDS)]
        guest.run(f"rm {FILE}; mdadm --stop {BARE}")
        pulled = disks.pull_disks(guest, PULLS)
    return [
        *compared(rounds),
        Figure(
            name=f"acknowledged writes lost over {PULLS} pulled disks",
            value=pulled.lost,
            unit="",
            goal=0,
            detail=f"of {pulled.acknowledged}",
        ),
    ]


Speeds = dict[tuple[str, str], float]
"""Bytes per second, by array and pattern."""


def speeds(guest: Guest) -> Speeds:
    """Ask each array once in each way."""
    found = {(BARE, name): asked(guest, BARE, *words) for name, words in PATTERNS.items()}
    for way, options in WAYS.items():
        guest.run(
            f"cryptsetup refresh --key-file /etc/landfall/storage/data.key {' '.join(options)} data"
        )
        bypassed = "no_read_workqueue" in guest.run("dmsetup table data")
        assert bypassed == bool(options), "cryptsetup refresh did not change how it is opened"
        found |= {(way, name): asked(guest, FILE, *words) for name, words in PATTERNS.items()}
    return found


def asked(guest: Guest, path: str, pattern: str, block: str) -> float:
    """Bytes per second that fio reads or writes past the page cache."""
    said = guest.run(
        f"fio --name=asked --filename={path} --size={FILE_MIB}M --rw={pattern} --bs={block} "
        f"--direct=1 --ioengine=libaio --iodepth={DEPTH} --time_based --runtime={SECONDS} "
        "--output-format=json"
    )
    [job] = json.loads(said)["jobs"]
    return float(job["read" if "read" in pattern else "write"]["bw_bytes"])


def compared(rounds: list[Speeds]) -> Iterator[Figure]:
    """Each pattern in each way, against md alone in the same round."""
    for name in PATTERNS:
        alone = statistics.median(each[BARE, name] for each in rounds)
        for way in WAYS:
            ratios = [each[way, name] / each[BARE, name] for each in rounds]
            ours = statistics.median(each[way, name] for each in rounds)
            yield Figure(
                name=f"{name}: {way} / md alone",
                value=statistics.median(ratios),
                unit="",
                goal=None,
                detail=f"{ours / 1e6:.1f} and {alone / 1e6:.1f} MB/s",
            )
