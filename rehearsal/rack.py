"""The virtual rack: booted Debian hosts on a bridge of their own, reached through loopback ports.

```
this machine        127.0.0.1:22011        127.0.0.1:28080
                          │     door            │
namespace          ┌──────┴───── bridge ────────┴──────┐
                10.88.0.1                         10.88.0.11
             packages (http)                   host (nspawn)
```

The namespace has no way out, as a closed site has none. Everything can be asked for twice, and
everything may be killed at any moment: `up` mends it and `down` removes it.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from filelock import FileLock, Timeout

from landfall import files, process
from landfall.errors import Busy, Unreachable
from rehearsal import cache, door, network, nspawn
from rehearsal.door import LOOPBACK, NAMESPACES, Forward
from rehearsal.nspawn import Machine, RackHost
from rehearsal.packages import KEY_FILE
from rehearsal.preflight import preflight, require

__all__ = ["Forward", "Rack", "RackHost", "Status", "demo", "preflight"]

Progress = Callable[[str], None]

SSH_PORT = 22
PACKAGE_PORT = 8000
GATEWAY_PORT = 8080
"""Where the gateway listens on a host: the default of the role `gateway`."""
BOOT_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What of a rack runs: each host by name, the door, and the package server."""

    hosts: dict[str, bool]
    door: bool
    packages: bool

    @property
    def up(self) -> bool:
        """Whether all of it runs."""
        return self.door and self.packages and all(self.hosts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rack:
    """A rack whose files lie below `state`. Two racks need other namespaces, subnets and ports."""

    state: Path
    hosts: Sequence[RackHost]
    subnet: IPv4Network
    namespace: str
    forwards: Sequence[Forward]
    on_progress: Progress = field(default=lambda _: None)

    @property
    def gateway(self) -> str:
        """The bridge's own address, where the package server listens."""
        return str(self.subnet.network_address + 1)

    @property
    def packages_url(self) -> str:
        """Where the hosts find the apt repository (apt/) and wheelhouses (under their names)."""
        return f"http://{self.gateway}:{PACKAGE_PORT}"

    @property
    def ssh_key(self) -> Path:
        """The private key that opens every host of the rack."""
        return self.state / "ssh/id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The hosts' keys, pinned."""
        return self.state / "ssh/known_hosts"

    def up(self, *, rootfs: Path, repository: Path, wheelhouse: Path) -> None:
        """Bring up whatever of the rack is not up, and wait until every host has booted.

        Raises:
            MissingTool: this machine cannot run a rack; the message lists all that is missing.
            Busy: a port or the namespace belongs to somebody else, or another `up` is running.
            Unreachable: a host did not boot; the message quotes the end of its console.
        """
        require()
        with self._locked():
            ports = [forward.port for forward in self.forwards]
            network.check_ports(ports, ours=process.recorded(self._record("door")))
            self._make_keys()
            address = f"{self.gateway}/{self.subnet.prefixlen}"
            network.make(self.namespace, address=address, marker=self._marker)
            self._serve_packages(repository, wheelhouse)
            for machine in self._machines():
                self._boot(machine, rootfs)
            self._open_door()
            for host in self.hosts:
                self._wait_for(host)

    def down(self) -> None:
        """Stop everything and remove it: processes, mounts, namespace, cgroups, disks.

        The ssh keys stay, so that what is known about the rack's hosts stays true.

        Raises:
            Busy: another `up` or `down` is running.
        """
        if not self.state.exists():
            return
        with self._locked():
            for record in sorted(self._daemons.glob("*.json")):
                self.on_progress(f"stopping {record.stem}")
                process.stop(record, grace_s=nspawn.GRACE_S)
            for machine in self._machines():
                machine.clear()
            network.remove(self.namespace, marker=self._marker)
            nspawn.remove_cgroups(self.namespace)
            for name in ("hosts", "served", "daemons", "logs"):
                cache.remove(self.state / name)

    def status(self) -> Status:
        """What runs now."""

        def runs(name: str) -> bool:
            return process.recorded(self._record(name)) is not None

        return Status(
            hosts={host.name: runs(f"host-{host.name}") for host in self.hosts},
            door=runs("door"),
            packages=runs("packages"),
        )

    def restart(self, name: str) -> None:
        """Reboot one host; its disk stays.

        Raises:
            Unreachable: it did not boot again.
        """
        [machine] = [each for each in self._machines() if each.host.name == name]
        with self._locked():
            process.stop(self._record(f"host-{name}"), grace_s=nspawn.GRACE_S)
            self._boot(machine, (machine.folder / "root").readlink())
            self._wait_for(machine.host)

    def ssh(self, name: str) -> list[str]:
        """The beginning of an ssh command line for a host."""
        [host] = [each for each in self.hosts if each.name == name]
        port = self._port(host.address, SSH_PORT)
        return [
            *("ssh", "-p", str(port), "-i", str(self.ssh_key), "-oBatchMode=yes"),
            *("-oIdentitiesOnly=yes", "-oStrictHostKeyChecking=yes", "-oConnectTimeout=10"),
            *(f"-oUserKnownHostsFile={self.known_hosts}", f"root@{LOOPBACK}"),
        ]

    @property
    def _daemons(self) -> Path:
        return self.state / "daemons"

    def _record(self, name: str) -> Path:
        return self._daemons / f"{name}.json"

    def _port(self, address: str, target: int) -> int:
        for forward in self.forwards:
            if (forward.address, forward.target) == (address, target):
                return forward.port
        raise KeyError(f"no port leads to {address}:{target}")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.state.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.state / "lock", timeout=0):
                yield
        except Timeout:
            raise Busy(
                f"another command is working on the rack in {self.state}",
                hint="Wait for it to end, then try again.",
            ) from None

    @property
    def _marker(self) -> Path:
        return self.state / "namespace"

    def _make_keys(self) -> None:
        """Make the ssh keys that are not there yet, and pin the hosts' keys."""
        folder = self.state / "ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        for name in ("id_ed25519", *(f"host-{host.name}" for host in self.hosts)):
            _ssh_key(folder / name)
        lines = []
        for host in self.hosts:
            public = (folder / f"host-{host.name}.pub").read_text().split()[:2]
            port = self._port(host.address, SSH_PORT)
            lines.append(" ".join([f"[{LOOPBACK}]:{port}", *public]) + "\n")
        files.write(self.known_hosts, "".join(lines))

    def _serve_packages(self, repository: Path, wheelhouse: Path) -> None:
        """Serve the apt repository as /apt/ and the wheelhouse under its own name."""
        served = self.state / "served"
        served.mkdir(exist_ok=True)
        for name, target in (("apt", repository), (wheelhouse.name, wheelhouse)):
            partial = served / f".{name}.part"
            partial.unlink(missing_ok=True)
            partial.symlink_to(target.resolve())
            partial.replace(served / name)
        enter = ["nsenter", f"--net={NAMESPACES / self.namespace}"]
        server = [sys.executable, "-m", "http.server", str(PACKAGE_PORT)]
        options = ["--bind", self.gateway, "--directory", str(served)]
        self._keep("packages", [*enter, *server, *options])

    def _machines(self) -> list[Machine]:
        return [
            Machine(
                host=host,
                folder=self.state / "hosts" / host.name,
                namespace=self.namespace,
                bridge=network.BRIDGE,
                gateway=self.gateway,
                prefix_length=self.subnet.prefixlen,
                authorized_key=self.ssh_key.with_suffix(".pub"),
                host_key=self.state / "ssh" / f"host-{host.name}",
                packages_url=f"{self.packages_url}/apt/",
                packages_key=self.state / "served/apt" / KEY_FILE,
            )
            for host in self.hosts
        ]

    def _boot(self, machine: Machine, rootfs: Path) -> None:
        name = f"host-{machine.host.name}"

        def prepare() -> None:
            self.on_progress(f"booting {machine.host.name}")
            machine.clear()
            machine.prepare(rootfs)

        self._keep(
            name,
            machine.command(),
            cwd=machine.folder,
            env=nspawn.environment(),
            made_from=str(rootfs),
            prepare=prepare,
        )

    def _open_door(self) -> None:
        argv = [sys.executable, "-I", door.__file__, "--namespace", self.namespace]
        self._keep("door", [*argv, *map(str, self.forwards)])

    def _keep(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        made_from: str = "",
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """Have a daemon run as asked: leave it if it does, else start it (anew)."""
        inode = (NAMESPACES / self.namespace).stat().st_ino  # another namespace, another rack
        wanted = json.dumps([*map(str, argv), made_from, inode])
        record, started = self._record(name), self._daemons / f"{name}.argv"
        running = process.recorded(record) is not None
        if running and started.exists() and started.read_text() == wanted:
            return
        process.stop(record, grace_s=nspawn.GRACE_S)
        prepare()
        log = self.state / "logs" / f"{name}.log"
        process.spawn(argv, name=name, record=record, log=log, cwd=cwd, env=env)
        started.write_text(wanted)

    def _wait_for(self, host: RackHost) -> None:
        """Wait until a host has booted and its ssh answers through the door."""
        record = self._record(f"host-{host.name}")

        state = ""

        def booted() -> bool:
            """Whether it has booted; also true when it has ended, and nothing is to wait for."""
            nonlocal state
            if process.recorded(record) is None:
                return True
            if door.banner(self.namespace, host.address, SSH_PORT) != b"SSH-":
                return False
            asked = [*self.ssh(host.name), "systemctl is-system-running --wait"]
            state = process.run(asked, check=False, timeout_s=BOOT_TIMEOUT_S).stdout.strip()
            return bool(state)

        process.wait_until(booted, timeout_s=BOOT_TIMEOUT_S)
        if state not in {"running", "degraded"}:
            log = self.state / "logs" / f"host-{host.name}.log"
            tail = process.Daemon(name=host.name, pid=0, started=0, log=str(log)).tail()
            raise Unreachable(f"{host.name} did not boot ({state or 'no answer'})\n{tail}")


def demo(state: Path, on_progress: Progress = lambda _: None) -> Rack:
    """The rack of the environment dev: one host, as inventories/dev describes it."""
    host = RackHost(name="rack-1", address="10.88.0.11")
    return Rack(
        state=state,
        hosts=[host],
        subnet=IPv4Network("10.88.0.0/24"),
        namespace="landfall-dev",
        forwards=[
            Forward(port=22011, address=host.address, target=SSH_PORT),
            Forward(port=28080, address=host.address, target=GATEWAY_PORT),
        ],
        on_progress=on_progress,
    )


def _ssh_key(path: Path) -> None:
    if path.exists() and path.with_suffix(".pub").exists():
        return
    part = path.with_name(f".{path.name}.part")
    for each in (part, part.with_name(f"{part.name}.pub"), path):
        each.unlink(missing_ok=True)
    process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", part])
    part.with_name(f"{part.name}.pub").replace(path.with_suffix(".pub"))
    part.replace(path)
