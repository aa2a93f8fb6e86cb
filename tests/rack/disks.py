"""A host's disks, as its inventory declares them, and writes that must not be lost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landfall import process
from landfall.model.array import Array
from landfall.model.environment import ROOT
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import Disk
from tests.rack.conftest import Playbooks

MOUNT = "/srv/data"

WRITER = """
import hashlib, os, sys
number = int(sys.argv[1])
while True:
    content = os.urandom(256 * 1024)
    path = f"{sys.argv[2]}/w{number}"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(handle, content)
    os.fsync(handle)
    os.close(handle)
    folder = os.open(sys.argv[2], os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    print(number, hashlib.sha256(content).hexdigest(), flush=True)
    number += 1
    if number % 200 == 0:
        number -= 200
"""
"""Writes files and says which are on the disk: a name is said only after its flush returned."""


def certificate(folder: Path) -> Path:
    """A site's escrow certificate; its private key lies beside it, as `escrow.key`."""
    path, key = folder / "escrow.pem", folder / "escrow.key"
    if not path.exists():
        subject = ["-days", "2", "-subj", "/CN=escrow"]
        new = ["openssl", "req", "-x509", "-newkey", "rsa:3072", "-nodes", *subject]
        process.run([*new, "-keyout", key, "-out", path])
    return path


def opened(folder: Path, name: str, file: str) -> bytes:
    """A file of a host's escrow, decrypted by whoever has the private key."""
    command = ["openssl", "cms", "-decrypt", "-inform", "DER", "-inkey", str(folder / "escrow.key")]
    source = str(folder / "escrow" / name / file)
    return subprocess.run([*command, "-in", source], check=True, capture_output=True).stdout


def variables(
    members: Sequence[Disk],
    *,
    spares: Sequence[Disk] = (),
    others: Sequence[Disk] = (),
    **array: Any,
) -> dict[str, Any]:
    """What the vars plugin gives for a host with these disks."""
    said = {"argon2_memory_kib": 65536, "unlock": "key_file", "mount": MOUNT, **array}
    wanted = Array(
        members=tuple(each.serial for each in members),
        spares=tuple(each.serial for each in spares),
        **said,
    )
    disks = [
        {"serial": each.serial, "size_gb": max(1, round(each.size_mib * 2**20 / 1e9))}
        for each in {disk.serial: disk for disk in (*members, *spares, *others)}.values()
    ]
    host = {
        "array": wanted.model_dump(mode="json"),
        "disks": disks,
        "os": {"distribution": "Debian", "release": "12"},
    }
    return {"landfall_host": host}


def values(folder: Path, **more: Any) -> dict[str, Any]:
    """What every run is given besides."""
    return {
        "storage_escrow_certificate": str(certificate(folder)),
        "storage_escrow_folder": str(folder / "escrow/{{ inventory_hostname }}"),
        "landfall_site": {"escrow": None, "services": {"tang": []}},
        "landfall_secrets": {"rehearsal": True},
        "storage_watch_every_s": 900,
        "storage_rebuild_poll_s": 5,
        **more,
    }


def steps(output: str) -> list[tuple[str, str]]:
    """The steps that a run with -v told, in order."""
    found = []
    for said in re.findall(r"^(?:changed|ok): \[\S+\] => (\{.*\})$", output, re.MULTILINE):
        found += [(each["name"], each["change"]) for each in json.loads(said).get("steps", ())]
    return found


@dataclass
class Writes:
    """Writes that a server has acknowledged, by number; a later one replaces an earlier one."""

    acknowledged: dict[int, str]
    pending: int

    def lost(self, guest: Guest) -> list[int]:
        """Which acknowledged writes cannot be read back from the disks."""
        script = f"sync; echo 3 > /proc/sys/vm/drop_caches; cd {MOUNT} && sha256sum w*"
        there = {}
        for line in guest.run(script, check=False).splitlines():
            digest, name = line.split()
            there[int(name.removeprefix("w"))] = digest
        # the one that was being written when the writer ended may be old or new
        return sorted(
            number
            for number, digest in self.acknowledged.items()
            if number != self.pending and there.get(number) != digest
        )


@contextmanager
def writing(guest: Guest, start: int = 0) -> Iterator[Writes]:
    """Write until the end of the block; what was acknowledged is told outside the server."""
    found = Writes(acknowledged={}, pending=-1)
    guest.run("cat > /root/writer.py", stdin=WRITER)
    child = subprocess.Popen(
        [*guest.ssh(), f"exec python3 /root/writer.py {start} {MOUNT}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield found
    finally:
        guest.run("pkill -f '[w]riter.py'", check=False)
        said, _ = child.communicate(timeout=60)
        last = -1
        for line in said.splitlines():
            number, digest = line.split()
            last = int(number)
            found.acknowledged[last] = digest
        found.pending = last + 1 if (last + 1) % 200 else last - 199


def cut_when(
    guest: Guest,
    playbooks: Playbooks,
    *words: str,
    hosts: Mapping[Guest, Mapping[str, Any]],
    ready: Callable[[], bool],
) -> None:
    """Run storage.yml with these words, and cut the power as soon as `ready` says so."""
    playbooks.play("storage.yml", "--list-tasks", hosts=hosts, values=values(playbooks.folder))
    command: list[str | Path] = [
        Path(sys.executable).parent / "ansible-playbook",
        *("-i", playbooks.folder / "inventory"),
        *("--extra-vars", f"@{playbooks.folder / 'given.json'}"),
        ROOT / "playbooks/storage.yml",
        *words,
    ]
    env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    child = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        process.wait_until(
            lambda: child.poll() is not None or ready(), timeout_s=900, interval_s=0.3
        )
        ended = child.poll() is not None
        guest.cut_power()
    finally:
        said, _ = child.communicate(timeout=300)
    assert not ended, f"the run ended before the power was cut\n{said[-4000:]}"
    assert child.returncode != 0, said[-2000:]


def state(guest: Guest) -> Mapping[str, str]:
    """The array as the kernel has it."""
    script = "cd /sys/class/block/$(basename $(readlink -f /dev/md/data))/md && "
    names = ("degraded", "sync_action", "mismatch_cnt", "array_state")
    said = guest.run(script + "; ".join(f"echo {name} $(cat {name})" for name in names))
    return dict(line.split() for line in said.splitlines())


def rebuilt(guest: Guest, timeout_s: float = 600) -> None:
    """Wait until the array is whole again."""

    def whole() -> bool:
        now = state(guest)
        return now["degraded"] == "0" and now["sync_action"] == "idle"

    assert process.wait_until(whole, timeout_s=timeout_s, interval_s=2)


def put_back(guest: Guest, disk: Disk, bay: int) -> None:
    """Plug a pulled disk in again, and let the array take it back by its bitmap."""
    guest.plug(disk, bay=bay)
    script = (
        f"until D=$(lsblk -dnpo NAME,SERIAL | awk '$2 == \"{disk.serial}\" {{print $1}}') "
        '&& [ -n "$D" ]; do sleep 1; done; udevadm settle; '
        "grep -q $(basename $D) /proc/mdstat || "
        "mdadm /dev/md/data --re-add $D || mdadm /dev/md/data --add $D"
    )
    guest.run(script, timeout_s=120)


@dataclass(frozen=True)
class Pulls:
    """How many writes were acknowledged while disks were pulled, and how many of them are lost."""

    acknowledged: int
    lost: int


def pull_disks(guest: Guest, times: int, *, seconds: float = 4.0) -> Pulls:
    """Pull a disk `times` times while files are written, and put each back.

    The array must be mounted and whole. The bench calls it with 20.
    """
    acknowledged = lost = 0
    for turn in range(times):
        bay = sorted(guest.bays())[turn % 4]
        with writing(guest) as writes:
            process.wait_until(lambda: False, timeout_s=seconds / 2)
            disk = guest.pull(bay)
            process.wait_until(lambda: False, timeout_s=seconds / 2)
        assert len(writes.acknowledged) > 1
        acknowledged += len(writes.acknowledged)
        lost += len(writes.lost(guest))
        put_back(guest, disk, bay)
        rebuilt(guest)
    return Pulls(acknowledged, lost)
