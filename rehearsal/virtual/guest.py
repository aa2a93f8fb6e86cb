"""One emulated server: its power, its bays, its cables, and commands over ssh.

Everything that must outlive a process lies in the server's folder: its disks, which of them is in
which bay, its port. So a `Guest` is a value, and two equal ones are the same server.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from landfall import files, process
from landfall.errors import Busy, Unreachable
from rehearsal.door import LOOPBACK, NAMESPACES
from rehearsal.virtual import drives, launch, machine, qmp, tpm
from rehearsal.virtual.access import Access, credential
from rehearsal.virtual.hardware import BAYS, Disk, Firmware, Hardware
from rehearsal.virtual.image import Image
from rehearsal.virtual.machine import Places, Service

BOOT_TIMEOUT_S = 600.0
"""A cold boot takes 20 to 35 s; beside five other emulated servers on two cores, minutes."""

COMMAND_TIMEOUT_S = 300.0
POWER_OFF_TIMEOUT_S = 300.0
GREETING_TIMEOUT_S = 4.0
"""Long enough for a busy server: every connection that is given up costs its sshd a process, and
after ten of them it refuses all."""

ASK_EVERY_S = 0.5
PULL_TIMEOUT_S = 30.0
"""The kernel lets go of a disk 5 s after its eject button was pressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A server of a rack. `taps` are the far ends of its data cables, inside `namespace`."""

    hardware: Hardware
    places: Places
    image: Image
    access: Access
    namespace: str
    taps: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    packages_url: str = ""
    packages_key: Path | None = None

    @property
    def name(self) -> str:
        """What the server is called."""
        return self.hardware.name

    @property
    def running(self) -> bool:
        """Whether it has power."""
        return process.recorded(self.record("server")) is not None

    def record(self, part: str) -> Path:
        """Where one of its processes is recorded."""
        return self.places.folder / "daemons" / f"{part}.json"

    # power

    def boot(self) -> None:
        """Switch it on and wait for ssh. Disks, and what was written to them, are as they were.

        Raises:
            Unreachable: it did not boot; the message quotes the end of its console.
        """
        self.power_on()
        self.wait_for_ssh()

    def power_on(self) -> None:
        """Switch it on and do not wait."""
        if self.running:
            return
        bays = self.bays()
        self.prepare(self.image.disk, "raw")
        if self.hardware.tpm:
            tpm.start(self.places.folder, self.places.tpm, self.record("tpm"))
        volatile = drives.files_of(self.hardware, self.places, bays.values())
        for name, file in volatile.items():
            drives.start_cache(self.places, name, file, self.record(f"cache-{name}"))
        self.launch(
            machine.command(
                self.hardware, self.places, self.image, bays=bays, services=self.services
            )
        )

    def prepare(self, backing: Path, backing_format: str) -> None:
        """Lay out its folder: identity, root disk over `backing`, an empty file for each disk."""
        folder = self.places.folder
        folder.mkdir(parents=True, exist_ok=True)
        told = credential("rack.identity", self.identity())
        files.write(self.places.identity, told, mode=0o600)
        drives.make_root(self.hardware, self.places, backing, backing_format)
        for disk in self.bays().values():
            drives.make_disk(self.hardware, self.places, disk)
        if self.hardware.firmware is Firmware.OVMF:
            drives.copy_once(machine.OVMF_VARIABLES, self.places.variables)

    def identity(self) -> str:
        """The script that makes a fresh image this server. It holds the private host key."""
        key = self.packages_key.read_bytes() if self.packages_key else b""
        return self.access.identity(self.name, packages_url=self.packages_url, packages_key=key)

    def launch(self, command: list[str]) -> None:
        """Start QEMU with the data cables in its hands."""
        self.places.qmp.unlink(missing_ok=True)
        launcher = [sys.executable, "-I", launch.__file__]
        if self.taps:
            launcher += ["--namespace", str(NAMESPACES / self.namespace)]
            launcher += [word for tap in self.taps for word in ("--tap", tap)]
        process.spawn(
            [*launcher, "--", *command],
            name=self.name,
            record=self.record("server"),
            log=self.places.folder / "qemu.log",
        )

    def power_off(self) -> None:
        """Shut down in order, as by the power button; by force after five minutes.

        Raises:
            Unreachable: it did not end by itself; it is off now.
        """
        if not self.running:
            return
        self.access.close(self.places.ssh_port)
        self.qmp("system_powerdown")
        done = process.wait_until(lambda: not self.running, timeout_s=POWER_OFF_TIMEOUT_S)
        self.stop()
        if not done:
            raise Unreachable(f"{self.name} did not shut down\n{self.console()}")

    def cut_power(self) -> None:
        """Cut the power of the server and of its drives' caches, in one go.

        Only with `volatile_caches` is what the drives had not flushed really lost.
        """
        found = [process.recorded(path) for path in self._records("server", "cache-*")]
        for daemon in found:
            if daemon is not None:
                os.kill(daemon.pid, signal.SIGKILL)
        process.wait_until(
            lambda: not any(daemon and daemon.alive() for daemon in found),
            timeout_s=POWER_OFF_TIMEOUT_S,
        )
        self.stop()

    def restart(self) -> None:
        """Shut down in order and switch on again: a cold boot."""
        self.power_off()
        self.boot()

    def reboot(self) -> None:
        """Reboot from inside, as an administrator does, and wait for ssh."""
        before = self.run("cat /proc/sys/kernel/random/boot_id")
        self.run("systemctl reboot", check=False)
        self.access.close(self.places.ssh_port)

        def again() -> bool:
            if not greets(self.places.ssh_port):
                return False
            asked = [*self.ssh(), "cat /proc/sys/kernel/random/boot_id"]
            now = process.run(asked, check=False, timeout_s=COMMAND_TIMEOUT_S)
            return now.returncode == 0 and now.stdout != before

        if not process.wait_until(again, timeout_s=BOOT_TIMEOUT_S, interval_s=ASK_EVERY_S):
            raise Unreachable(f"{self.name} did not come back\n{self.console()}")

    def stop(self) -> None:
        """End every process of the server, at once. Safe twice."""
        self.access.close(self.places.ssh_port)
        for record in self._records("server", "*"):
            process.stop(record)

    # commands

    def ssh(self) -> list[str]:
        """The beginning of an ssh command line."""
        return self.access.ssh(self.places.ssh_port)

    def run(
        self,
        command: str,
        *,
        check: bool = True,
        timeout_s: float = COMMAND_TIMEOUT_S,
        stdin: str | None = None,
    ) -> str:
        """Run a shell command as root; its standard output.

        Raises:
            CommandFailed: it ended with an error (only with `check`), or outlived `timeout_s`.
        """
        words = [*self.ssh(), command]
        what = f"{self.name}: {command.splitlines()[0][:80]}"
        done = process.run(words, check=check, timeout_s=timeout_s, stdin=stdin, what=what)
        return done.stdout

    def wait_for_ssh(self, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """Wait until a command runs.

        Raises:
            Unreachable: none does; the message quotes the end of the console.
        """

        def answers() -> bool:
            if not self.running:
                return True  # nothing to wait for
            if not greets(self.places.ssh_port):
                return False
            done = process.run([*self.ssh(), "true"], check=False, timeout_s=COMMAND_TIMEOUT_S)
            return done.returncode == 0

        came = process.wait_until(answers, timeout_s=timeout_s, interval_s=ASK_EVERY_S)
        if not came or not self.running:
            raise Unreachable(f"{self.name} does not answer\n{self.console()}")

    def console(self, lines: int = 20) -> str:
        """The end of what QEMU and the server's serial console have said."""
        said = []
        for path in (self.places.folder / "qemu.log", self.places.serial_log):
            if path.exists():
                said += path.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join(said)

    # disks

    def bays(self) -> dict[int, Disk]:
        """Which disk is in which bay."""
        try:
            written = json.loads(self._bays_file.read_text())
        except FileNotFoundError:
            return dict(enumerate(self.hardware.disks))
        return {int(bay): Disk(**disk) for bay, disk in written.items()}

    def serials(self) -> dict[str, str]:
        """The serial of each NVMe disk that the server sees, by device: {'/dev/nvme0n1': ...}."""
        listed = self.run("lsblk --nodeps --noheadings --paths --output NAME,SERIAL")
        words = [line.split() for line in listed.splitlines()]
        return {line[0]: line[1] for line in words if line[0].startswith("/dev/nvme")}

    def arrange(self, bays: Mapping[int, Disk]) -> None:
        """Put disks into bays while the server is off: other ones, swapped ones, fewer.

        Raises:
            Busy: the server runs; use `pull` and `plug`.
        """
        if self.running:
            raise Busy(f"{self.name} runs", hint="Switch it off first, or use pull and plug.")
        self._write_bays(bays)

    def pull(self, bay: int) -> Disk:
        """Pull the disk out of a bay while the server runs; it keeps what was written to it.

        Raises:
            Unreachable: the kernel did not let go of it.
        """
        bays = self.bays()
        disk = bays.pop(bay)
        with qmp.connect(self.places.qmp, timeout_s=PULL_TIMEOUT_S) as connection:
            connection.execute("device_del", id=f"nvme{bay}")
            connection.wait_for("DEVICE_DELETED", device=f"nvme{bay}")
            connection.execute("blockdev-del", **{"node-name": f"drive{bay}"})
        process.stop(self.record(f"cache-{disk.name}"))
        self._write_bays(bays)
        return disk

    def plug(self, disk: Disk, *, bay: int | None = None) -> int:
        """Plug a disk into a bay (the first empty one) while the server runs; say which bay.

        Raises:
            Busy: there is a disk in the bay.
        """
        bays = self.bays()
        found = min(set(range(BAYS)) - set(bays)) if bay is None else bay
        if found in bays:
            raise Busy(f"{self.name}: bay {found} holds {bays[found].serial}")
        drives.make_disk(self.hardware, self.places, disk)
        for name, file in drives.files_of(self.hardware, self.places, [disk]).items():
            drives.start_cache(self.places, name, file, self.record(f"cache-{name}"))
        with qmp.connect(self.places.qmp) as connection:
            node = machine.drive_node(self.hardware, self.places, disk, node=f"drive{found}")
            connection.execute("blockdev-add", **node)
            connection.execute("device_add", **machine.disk_device(found, disk))
        self._write_bays(bays | {found: disk})
        return found

    def warn(self, bay: int, bits: int = 0x04) -> None:
        """Have a disk's SMART report say that something is wrong; 4 means degraded reliability."""
        path = f"/machine/peripheral/nvme{bay}"
        self.qmp("qom-set", path=path, property="smart_critical_warning", value=bits)

    # cables

    def unplug_cable(self, slot: int) -> None:
        """Pull a data cable: both ends lose their link at once."""
        self._set_link(slot, up=False)

    def plug_cable(self, slot: int) -> None:
        """Put a data cable back."""
        self._set_link(slot, up=True)

    def qmp(self, command: str, /, **arguments: object) -> Any:
        """One command of QEMU's machine protocol; see `qmp.execute`."""
        return qmp.execute(self.places.qmp, command, **arguments)

    def _set_link(self, slot: int, *, up: bool) -> None:
        state = "up" if up else "down"
        process.run(["ip", "-n", self.namespace, "link", "set", self.taps[slot], state])
        self.qmp("set_link", name=f"card{slot}", up=up)

    def _records(self, *patterns: str) -> list[Path]:
        folder = self.places.folder / "daemons"
        found = [path for pattern in patterns for path in sorted(folder.glob(f"{pattern}.json"))]
        return list(dict.fromkeys(found))

    @property
    def _bays_file(self) -> Path:
        return self.places.folder / "bays.json"

    def _write_bays(self, bays: Mapping[int, Disk]) -> None:
        written = {bay: asdict(disk) for bay, disk in sorted(bays.items())}
        files.write(self._bays_file, json.dumps(written, indent=2))


def greets(port: int) -> bool:
    """Whether an ssh server speaks: QEMU accepts connections long before the server runs."""
    try:
        with socket.create_connection((LOOPBACK, port), GREETING_TIMEOUT_S) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
