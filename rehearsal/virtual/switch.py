"""The rack's switch: Open vSwitch's userspace datapath, which is a real LACP partner.

A kernel without an openvswitch module can run it, and unlike a bridge it negotiates bonds and
keeps VLANs apart. It lives in the rack's namespace, all of its state in one folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from landfall import process
from landfall.errors import Unreachable
from rehearsal.door import NAMESPACES

BRIDGE = "switch"
MTU = 9000
SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
START_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A switch in a namespace, its files and the records of its processes below `folder`."""

    folder: Path
    namespace: str

    def up(self) -> None:
        """Start the switch, if it does not run.

        Raises:
            Unreachable: it did not start; the message quotes its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        database = self.folder / "conf.db"
        if process.recorded(self._record("database")) is None:
            self._socket.unlink(missing_ok=True)
            database.unlink(missing_ok=True)
            process.run(["ovsdb-tool", "create", database, SCHEMA], env=self._environment)
            self._start("database", ["ovsdb-server", str(database), f"--remote=p{self._address}"])
            if not process.wait_until(self._socket.exists, timeout_s=START_TIMEOUT_S):
                raise Unreachable(f"the switch's database did not start\n{self._log('database')}")
            self._run("--no-wait", "init")
        if process.recorded(self._record("switch")) is None:
            self._start("switch", ["ovs-vswitchd", self._address])
        add = ["--may-exist", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE]
        self._run(*add, "datapath_type=netdev", "--", *_mtu(BRIDGE))
        self._ip("link", "set", BRIDGE, "mtu", str(MTU), "up")

    def bond(self, name: str, taps: Sequence[str]) -> None:
        """Join `taps` into an LACP bond: all VLANs, tagged and untagged."""
        add = ["--may-exist", "add-bond", BRIDGE, name, *taps, "bond_mode=balance-tcp"]
        fast = ["lacp=active", "other_config:lacp-time=fast"]
        carrier = "other_config:bond-detect-mode=carrier"
        mtus = [word for tap in taps for word in ("--", *_mtu(tap))]
        self._run(*add, *fast, carrier, *mtus)

    def port(self, name: str, *, vlan: int | None = None) -> None:
        """Connect one interface: to one VLAN, or to all of them."""
        access = [f"tag={vlan}"] if vlan else []
        self._run("--may-exist", "add-port", BRIDGE, name, *access, "--", *_mtu(name))

    def address(self, name: str, address: str, *, vlan: int | None = None) -> None:
        """A port of the namespace's own with an address, such as 10.77.0.254/24.

        Without `vlan` it is the switch's untagged network, and `name` must be its bridge's.
        """
        if name != BRIDGE:
            access = [f"tag={vlan}"] if vlan else []
            internal = ["--", "set", "interface", name, "type=internal"]
            self._run("--may-exist", "add-port", BRIDGE, name, *access, *internal)
            self._run(*_mtu(name))
        self._ip("address", "replace", address, "dev", name)
        self._ip("link", "set", name, "mtu", str(MTU), "up")

    def remove(self, name: str) -> None:
        """Disconnect a port or a bond, if it is there."""
        self._run("--if-exists", "del-port", BRIDGE, name)

    def shown(self, *words: str) -> str:
        """What a command of ovs-vsctl, such as `list interface`, prints."""
        return self._run(*words)

    def bond_state(self, name: str) -> str:
        """What the switch says about a bond, for people."""
        control = self.folder / "control"
        command = ["ovs-appctl", "--target", str(control), "bond/show", name]
        return process.run(command, env=self._environment).stdout

    def down(self) -> None:
        """End the switch's processes. Safe twice."""
        for name in ("switch", "database"):
            process.stop(self._record(name))

    @property
    def _socket(self) -> Path:
        return self.folder / "db.sock"

    @property
    def _address(self) -> str:
        return f"unix:{self._socket}"

    @property
    def _environment(self) -> dict[str, str]:
        names = ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR")
        return dict.fromkeys(names, str(self.folder))

    def _record(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return "\n".join(path.read_text().splitlines()[-10:]) if path.exists() else ""

    def _start(self, name: str, command: list[str]) -> None:
        enter = ["nsenter", f"--net={NAMESPACES / self.namespace}"]
        control = f"--unixctl={self.folder / ('control' if name == 'switch' else 'db.control')}"
        process.spawn(
            [*enter, *command, control, "-vconsole:warn"],
            name=f"the rack's {name}",
            record=self._record(name),
            log=self.folder / f"{name}.log",
            env=self._environment,
        )

    def _run(self, *words: str) -> str:
        command = ["ovs-vsctl", f"--db={self._address}", f"--timeout={START_TIMEOUT_S:.0f}", *words]
        return process.run(command, env=self._environment, what="ovs-vsctl").stdout

    def _ip(self, *words: str) -> None:
        process.run(["ip", "-n", self.namespace, *words], what=f"ip {' '.join(words)}")


def _mtu(interface: str) -> list[str]:
    return ["set", "interface", interface, f"mtu_request={MTU}"]
