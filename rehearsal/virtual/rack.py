"""A rack of emulated servers: a namespace with a switch and a WAN, a package server, servers.

```
this machine   127.0.0.1:PORT (ssh)            packages (http, loopback)
                     │                              │
               ┌─────┴──────── management ──────────┴─────┐   one for each server, no way out
               │                 server                   │
               └──┬──────────┬───────────────────┬────────┘
               cable0     cable1               cable2
namespace     ┌───┴──────────┴───┐      ┌────────┴────────┐
              │ switch: LACP,    │      │ wan: a bridge   │
              │ VLANs, MTU 9000  │      │                 │
              └──────────────────┘      └─────────────────┘
```

Everything may be killed at any moment: `down` finds it by its records and removes it.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from landfall import files, process
from landfall.errors import CommandFailed
from rehearsal import cache, network
from rehearsal.door import LOOPBACK, NAMESPACES
from rehearsal.packages import KEY_FILE
from rehearsal.virtual import access, forward
from rehearsal.virtual.access import Access
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import Cable, Hardware
from rehearsal.virtual.image import Image
from rehearsal.virtual.machine import SERVICES_ADDRESS, Places, Service
from rehearsal.virtual.switch import Switch

Progress = Callable[[str], None]

WAN = network.BRIDGE
"""The plain bridge that joins cables of the kind `wan`."""

WAN_ADDRESS = "10.99.0.254/24"
"""The WAN bridge's own address: a place to ping from, and no router."""

PACKAGE_PORT = 8000
"""Where a server finds packages on the services' address, as on the rack of booted hosts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualRack:
    """A rack whose files lie below `state`. Two racks need other namespaces and folders."""

    state: Path
    namespace: str
    image: Image
    repository: Path
    on_progress: Progress = field(default=lambda _: None)

    @property
    def access(self) -> Access:
        """The keys that open the rack's servers."""
        return Access(folder=self.state / "ssh")

    @property
    def switch(self) -> Switch:
        """The switch that bonds lead to."""
        return Switch(folder=self.state / "switch", namespace=self.namespace)

    @property
    def packages_url(self) -> str:
        """Where a server finds the apt repository."""
        return f"http://{SERVICES_ADDRESS}:{PACKAGE_PORT}/apt/"

    def up(self) -> None:
        """Make keys, namespace, switch and package server, whatever of them is not there.

        Raises:
            Busy: the namespace belongs to somebody else.
            Unreachable: the switch did not start.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        self.access.make()
        network.make(self.namespace, address=WAN_ADDRESS, marker=self._marker)
        self.switch.up()
        self._serve_packages()

    def guest(self, hardware: Hardware, *, services: Iterable[Service] = ()) -> Guest:
        """A server of this rack, cabled and off. The same hardware gives the same server."""
        folder = self.state / "guests" / hardware.name
        folder.mkdir(parents=True, exist_ok=True)
        return Guest(
            hardware=hardware,
            places=Places(folder=folder, ssh_port=self._port_of(folder)),
            image=self.image,
            access=self.access,
            namespace=self.namespace,
            taps=self._cable(hardware),
            services=(self.service(PACKAGE_PORT, LOOPBACK, self._package_port), *services),
            packages_url=self.packages_url,
            packages_key=self.repository / KEY_FILE,
        )

    def service(self, port: int, address: str, target: int, *, inside: bool = False) -> Service:
        """Let servers reach ADDRESS:TARGET at `port` of the services' address.

        The target is on this machine, or in the rack's namespace with `inside`.
        """
        enter = ["nsenter", f"--net={NAMESPACES / self.namespace}"] if inside else []
        carry = [sys.executable, "-I", forward.__file__, address, str(target)]
        return Service(port=port, command=(*enter, *carry))

    def inside(self, *words: str, check: bool = True) -> str:
        """Run a program in the rack's namespace, such as a ping of a server's data address."""
        enter = ["nsenter", f"--net={NAMESPACES / self.namespace}"]
        return process.run([*enter, *words], check=check).stdout

    def inventory(
        self, guests: Iterable[Guest], *, groups: Iterable[str] = ("gpu_hosts",)
    ) -> dict[str, Any]:
        """An Ansible inventory of servers: addresses, ports and keys; `host` is the test's."""
        ports = {guest.name: guest.places.ssh_port for guest in guests}
        return access.inventory(self.access, ports, groups=groups)

    def down(self) -> None:
        """Stop everything and remove it: servers, switch, namespace, disks. Safe twice."""
        if not self.state.exists():
            return
        records = self.state.glob("guests/*/daemons/*.json")
        # a drive's cache does not end before the server that uses it
        for record in sorted(records, key=lambda path: (path.stem != "server", path)):
            self.on_progress(f"stopping {record.stem} of {record.parent.parent.name}")
            process.stop(record)
        for port in self.state.glob("guests/*/port"):
            self.access.close(int(port.read_text()))
        process.stop(self._record("packages"))
        self.switch.down()
        network.remove(self.namespace, marker=self._marker)
        for name in ("guests", "switch", "served", "daemons", "logs", "ssh"):
            cache.remove(self.state / name)

    @contextmanager
    def running(self) -> Iterator[VirtualRack]:
        """The rack, up; and down afterwards, whatever happens."""
        try:
            self.up()
            yield self
        finally:
            self.down()

    @property
    def _marker(self) -> Path:
        return self.state / "namespace"

    def _record(self, name: str) -> Path:
        return self.state / "daemons" / f"{name}.json"

    @property
    def _package_port(self) -> int:
        return self._port_of(self.state)

    def _port_of(self, folder: Path) -> int:
        """A loopback port, the same for ever: it is what inventories and pinned keys name."""
        written = folder / "port"
        if not written.exists():
            with socket.create_server((LOOPBACK, 0)) as trial:
                files.write(written, str(trial.getsockname()[1]))
        return int(written.read_text())

    def _cable(self, hardware: Hardware) -> tuple[str, ...]:
        """The far ends of a server's data cables, plugged in where its hardware says."""
        taps = tuple(f"{hardware.name}-{slot}" for slot in range(len(hardware.nics)))
        bonded = []
        for tap, nic in zip(taps, hardware.nics, strict=True):
            self._tap(tap)
            if nic.cable is Cable.BOND:
                bonded.append(tap)
            elif nic.cable is Cable.WAN:
                self._ip("link", "set", tap, "master", WAN)
        if len(bonded) > 1:
            self.switch.bond(f"bond-{hardware.name}", bonded)
        elif bonded:
            self.switch.port(bonded[0])
        return taps

    def _tap(self, name: str) -> None:
        add = ["ip", "-n", self.namespace, "tuntap", "add", name, "mode", "tap"]
        done = process.run(add, check=False)
        if done.returncode != 0 and "busy" not in done.stderr.lower():
            raise CommandFailed(f"ip tuntap add {name}: {done.stderr.strip()}")
        self._ip("link", "set", name, "mtu", "9000", "up")

    def _ip(self, *words: str) -> None:
        process.run(["ip", "-n", self.namespace, *words], what=f"ip {' '.join(words)}")

    def _serve_packages(self) -> None:
        """Serve the apt repository as /apt/ on loopback; servers reach it through QEMU."""
        record = self._record("packages")
        if process.recorded(record) is not None:
            return
        served = self.state / "served"
        served.mkdir(exist_ok=True)
        link = served / "apt"
        link.unlink(missing_ok=True)
        link.symlink_to(self.repository.resolve())
        server = [sys.executable, "-m", "http.server", str(self._package_port)]
        process.spawn(
            [*server, "--bind", LOOPBACK, "--directory", str(served)],
            name="package server",
            record=record,
            log=self.state / "logs/packages.log",
        )
