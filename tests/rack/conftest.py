"""Emulated servers for tests: see docs/rack.md. How to use it from a test:

from rehearsal.virtual.hardware import Cable, Disk, server
from tests.rack.conftest import Boot, Playbooks

pytestmark = [pytest.mark.rack, pytest.mark.timeout(900)]   # and pytest.mark.short: CI's form

@pytest.fixture(scope="module")
def guest(boot: Boot) -> Guest:             # off again when the module ends
    return boot(server("st-1"))             # cold boot, 25 s; four NVMe, two cards on the switch
    # boot.clone(server("st-1"))            # restored from a snapshot, 5 s; no TPM, no OVMF
    # server(..., tpm=True, firmware=Firmware.OVMF, volatile_caches=True, disk_mib=512,
    #        cable=Cable.WAN, number=2)     # another `number` for each server of one test

def test_it(guest: Guest, playbooks: Playbooks) -> None:
    guest.run("lsblk", check=True, timeout_s=60)          # as root; gives standard output
    guest.serials()                         # {"/dev/nvme0n1": "ST-1-NVME2", ...}; random order
    disk = guest.pull(1)                    # bay 1, while it runs; the disk keeps its contents
    guest.plug(guest.hardware.spare, bay=1)             # or Disk(serial="X", size_mib=512)
    guest.warn(0)                           # SMART says "reliability degraded"
    guest.unplug_cable(1); guest.plug_cable(1)            # both ends of a data cable at once
    guest.reboot(); guest.restart(); guest.power_off(); guest.boot()
    guest.cut_power(); guest.boot()         # loses unflushed writes with volatile_caches=True
    guest.arrange({0: disk, 1: other})      # put disks into bays while it is off
    guest.console(); guest.ssh(); guest.qmp("query-block")
    played = playbooks.play("site.yml", "--check", "--diff", "--tags", "storage",
                            hosts={guest: {"host": {...}}}, values={"extra": "variable"})
    played.counts["st-1"]["changed"], played.output       # check=False: a failure is no error

`rack` is the rack itself: rack.switch (bond_state, port, address with a VLAN), rack.inside(
"ping", ...) in its namespace, rack.service(7500, "10.77.0.11", 7500, inside=True) to let a
server reach a port at http://10.0.2.100:7500 over its management card, rack.inventory(...).
Packages that roles install are in the image already; apt finds them at the rack, too.
One server at a time where one is enough: two cores emulate it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from landfall import process
from landfall.model.environment import ROOT, cache_folder
from rehearsal import cache, packages
from rehearsal.preflight import preflight, rack_preflight
from rehearsal.virtual import image, snapshot
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import Hardware
from rehearsal.virtual.rack import VirtualRack

BIN = Path(sys.executable).parent


def racks() -> Path:
    """Where racks of tests live, each in a folder named after the process that made it."""
    return cache_folder() / "racks"


def rack_named(name: str) -> VirtualRack:
    """A rack; its name begins with the number of the process that makes it."""
    return VirtualRack(
        state=racks() / name,
        namespace=f"landfall-rack-{name}",
        image=image.ensure(cache_folder(), print),
        repository=packages.ensure_repository(cache_folder(), print),
    )


def remove(rack: VirtualRack) -> None:
    rack.down()
    cache.remove(rack.state)


@pytest.fixture(scope="session")
def rack() -> Iterator[VirtualRack]:
    """A rack of this test run. What a killed run has left is removed first."""
    missing = preflight() + rack_preflight(cache_folder())
    if missing:
        pytest.skip(f"cannot run here: {'; '.join(missing)}")
    for left in racks().glob("[0-9]*"):
        if not psutil.pid_exists(int(left.name.split("-")[0])):
            remove(rack_named(left.name))
    made = rack_named(str(os.getpid()))
    try:
        made.up()
        yield made
    finally:
        remove(made)


@dataclass(frozen=True)
class Boot:
    """Boots servers; they are stopped, and their disks removed, when the module ends."""

    rack: VirtualRack
    stack: ExitStack

    def __call__(self, hardware: Hardware) -> Guest:
        guest = self.guest(hardware)
        guest.boot()
        return guest

    def clone(self, hardware: Hardware) -> Guest:
        """A server restored from the snapshot: seconds, where hardware and history allow it."""
        guest = self.guest(hardware)
        kept = snapshot.ensure(cache_folder(), self.rack.image, print)
        snapshot.start(guest, kept)
        return guest

    def guest(self, hardware: Hardware) -> Guest:
        """The server, off: for a test that boots it itself, or gives it other services."""
        guest = self.rack.guest(hardware)
        self.stack.callback(self._remove, guest)
        return guest

    def _remove(self, guest: Guest) -> None:
        guest.stop()
        cache.remove(guest.places.folder)


@pytest.fixture(scope="module")
def boot(rack: VirtualRack) -> Iterator[Boot]:
    with ExitStack() as stack:
        yield Boot(rack, stack)


@dataclass(frozen=True)
class Played:
    """What a playbook did: Ansible's counts by host, and all that it said."""

    returncode: int
    output: str
    counts: Mapping[str, Mapping[str, int]]

    def total(self, word: str) -> int:
        return sum(counts.get(word, 0) for counts in self.counts.values())


@dataclass
class Playbooks:
    """Runs the repository's playbooks against servers of the rack."""

    folder: Path
    rack: VirtualRack
    runs: list[Played] = field(default_factory=list)

    def play(
        self,
        playbook: str,
        *words: str,
        hosts: Mapping[Guest, Mapping[str, Any]],
        values: Mapping[str, Any] | None = None,
        check: bool = True,
    ) -> Played:
        """Run a playbook; `hosts` gives each server its variables, `values` are everybody's."""
        inventory = self.rack.inventory(hosts, groups=("gpu_hosts", "build_hosts"))
        for guest, variables in hosts.items():
            inventory["all"]["hosts"][guest.name] |= variables
        written = self.folder / "inventory/hosts.yml"
        written.parent.mkdir(exist_ok=True)
        written.write_text(json.dumps(inventory, indent=2))
        path = Path(playbook) if Path(playbook).is_absolute() else ROOT / "playbooks" / playbook
        played = play(self.folder, written.parent, values or {}, path, *words, check=check)
        self.runs.append(played)
        return played


def play(
    folder: Path,
    inventory: Path,
    values: Mapping[str, Any],
    playbook: Path,
    *words: str,
    check: bool = True,
) -> Played:
    """Run a playbook as by hand; what it says is also added to `play.log` in `folder`."""
    given = folder / "given.json"
    given.write_text(json.dumps(dict(values)))
    program: list[str | Path] = [BIN / "ansible-playbook", "-i", inventory]
    done = process.run(
        [*program, "--extra-vars", f"@{given}", playbook, *words],
        cwd=ROOT,
        env={"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        check=False,
    )
    output = done.stdout + done.stderr
    with (folder / "play.log").open("a") as log:
        log.write(output)
    assert not check or done.returncode == 0, output[-6000:]
    return Played(done.returncode, output, recap(output))


def recap(output: str) -> dict[str, dict[str, int]]:
    """Ansible's own counts, by host."""
    found = {}
    for line in output.rpartition("PLAY RECAP")[2].splitlines():
        name, colon, counts = line.partition(" : ")
        if colon:
            found[name.strip()] = {
                word: int(number) for word, number in re.findall(r"(\w+)=(\d+)", counts)
            }
    return found


@pytest.fixture(scope="module")
def playbooks(rack: VirtualRack, tmp_path_factory: pytest.TempPathFactory) -> Playbooks:
    return Playbooks(tmp_path_factory.mktemp("play"), rack)


Wait = Callable[[Callable[[], bool]], None]


@pytest.fixture
def eventually() -> Wait:
    """Wait until something is so; a test fails where it is not within half a minute."""

    def wait(ready: Callable[[], bool]) -> None:
        assert process.wait_until(ready, timeout_s=30, interval_s=0.5)

    return wait
