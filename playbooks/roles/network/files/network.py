#!/usr/bin/python3
"""A change of a host's network that the host takes back by itself, unless it is confirmed.

    network compare              whether what is wanted is what there is
    network apply SECONDS        keep what there is, arm the way back, and change
    network confirm              the change was reached over a new connection: keep it
    network restore [--boot]     take an unconfirmed change back
    network tune                 interrupts and send queues by NUMA node
    network state [ADDRESS...]   what the kernel says, and which packets reach whom

Runs on the host with the system's Python and nothing else. What is wanted lies in WANTED; it is
put in place, and taken back, as a whole. Every step may be interrupted and done again.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PREFIX = "05-landfall-"
"""Names sort before those of installers and netplan (10-): the first file that matches counts."""

ASIDE = ".before-landfall"

RELOAD_DELAY_S = 1
"""The answer to who asked must leave before the network changes."""

MTU_WAIT_S = 1
ICMP_IP_HEADERS = 28

Run = Callable[[Sequence[str]], str]


def run(argv: Sequence[str]) -> str:
    """The output of a program; "" where it fails or is not there."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    if done.returncode != 0:
        print(f"{' '.join(argv)}: {done.stderr.strip()}", file=sys.stderr)
    return done.stdout if done.returncode == 0 else ""


def section(text: str, key: str) -> str:
    """The value of the first `key` (a pattern) in a file of systemd's."""
    found = re.search(rf"^{key}=(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def write(path: Path, text: str) -> None:
    """Write `path` whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.chmod(0o644)
    part.replace(path)


@dataclass(frozen=True)
class Change:
    """The change from what there is to what is wanted, below `root` (another one in tests)."""

    root: Path = Path("/")
    run: Run = run

    @property
    def live(self) -> Path:
        """Where systemd-networkd and udev look."""
        return self.root / "etc/systemd/network"

    @property
    def kept(self) -> Path:
        """Where what is wanted and what there was lie."""
        return self.root / "var/lib/landfall/network"

    @property
    def armed(self) -> Path:
        """There while a change is not confirmed; says what to undo."""
        return self.kept / "armed.json"

    def files(self, folder: Path) -> dict[str, str]:
        """The files of ours in a folder, by name."""
        return {path.name: path.read_text() for path in sorted(folder.glob(f"{PREFIX}*"))}

    def foreign(self) -> list[Path]:
        """Descriptions of netplan, and those of ifupdown that name one of our interfaces.

        Two programs on one interface take each other's addresses away.
        """
        found = [*(self.root / "etc/netplan").glob("*.yaml")]
        wanted = self.files(self.kept / "wanted").values()
        ours = {section(text, "Name") for text in wanted} - {""}
        for path in (self.root / "etc/network").glob("interfaces*"):
            for each in [path] if path.is_file() else sorted(path.glob("*")):
                words = set(re.findall(r"^\s*iface\s+(\S+)", each.read_text(), re.MULTILINE))
                found += [each] if words & ours and not each.name.endswith(ASIDE) else []
        return sorted(found)

    def differs(self) -> list[str]:
        """The names of files that are not as wanted; and of the mark of an unconfirmed change."""
        wanted, there = self.files(self.kept / "wanted"), self.files(self.live)
        names = [each for each in {*wanted, *there} if wanted.get(each) != there.get(each)]
        unconfirmed = [str(self.armed)] if self.armed.exists() else []
        return sorted([*names, *unconfirmed, *(str(each) for each in self.foreign() if wanted)])

    def apply(self, seconds: int) -> list[str]:
        """Keep what there is, arm the way back, change the files. The reload comes a second later.

        What changed; nothing is touched where nothing did.
        """
        if self.armed.exists():
            self.restore()
        changed = self.differs()
        if not changed:
            return []
        before = self.files(self.live)
        self._fill(self.kept / "previous", before)
        write(self.armed, json.dumps({"aside": [str(path) for path in self.foreign()]}))
        me = "/usr/local/libexec/landfall/network"
        timer = ["systemd-run", "--quiet", "--collect", "--timer-property=AccuracySec=100ms"]
        self.run(
            [*timer, "--unit=landfall-network-restore", f"--on-active={seconds}", me, "restore"]
        )
        for path in self.foreign():
            path.rename(path.with_name(path.name + ASIDE))
        self._fill(self.live, self.files(self.kept / "wanted"))
        self.run(
            [
                *timer,
                "--unit=landfall-network-reload",
                f"--on-active={RELOAD_DELAY_S}",
                me,
                "reload",
            ]
        )
        return changed

    def reload(self) -> None:
        """Make the kernel's interfaces what the files say."""
        before, now = self.files(self.kept / "previous"), self.files(self.live)
        renamed = self._rename(now)
        self._take_effect(before, now)
        told = json.loads(self.armed.read_text())
        write(self.armed, json.dumps({**told, "renamed": renamed, "reloaded": time.time()}))

    def confirm(self) -> str:
        """Keep the change; why not, where it cannot be kept."""
        if not self.armed.exists():
            return "there is no unconfirmed change; the host has taken it back"
        if "reloaded" not in json.loads(self.armed.read_text()):
            return "the change has not been made yet"
        self.armed.unlink()
        self.run(["systemctl", "stop", "landfall-network-restore.timer"])
        return ""

    def restore(self, *, boot: bool = False) -> None:
        """Take an unconfirmed change back: files, devices, names. Safe twice."""
        if not self.armed.exists():
            return
        told = json.loads(self.armed.read_text())
        now, before = self.files(self.live), self.files(self.kept / "previous")
        self._fill(self.live, before)
        for path in map(Path, told["aside"]):
            aside = path.with_name(path.name + ASIDE)
            if aside.exists():
                aside.rename(path)
        if not boot:
            self._take_effect(now, before)
            for name, was in told.get("renamed", {}).items():
                self._set_name(name, was)
            if told.get("renamed"):
                self.run(["networkctl", "reload"])
        self.armed.unlink()
        self.run(["systemctl", "stop", "landfall-network-restore.timer"])

    def _fill(self, folder: Path, wanted: Mapping[str, str]) -> None:
        """Let a folder have these files of ours and no others."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in {*self.files(folder)} - {*wanted}:
            (folder / name).unlink()
        for name, text in wanted.items():
            write(folder / name, text)

    def _take_effect(self, before: Mapping[str, str], now: Mapping[str, str]) -> None:
        """Reload, after removing the devices whose description is gone or another one now."""
        for name, text in before.items():
            if name.endswith(".netdev") and now.get(name) != text:
                self.run(["networkctl", "delete", section(text, "Name")])
        links = [name for name in now if name.endswith(".link") and before.get(name) != now[name]]
        if links or any(name.endswith(".link") for name in before if name not in now):
            self.run(["udevadm", "control", "--reload"])
        ports = [section(now[name], "Name") for name in links]
        there = [f"/sys/class/net/{each}" for each in ports if self._link(each).exists()]
        if there:  # rings and queues are set when udev hears of a port
            self.run(["udevadm", "trigger", "--action=add", "--settle", *there])
        self.run(["networkctl", "reload"])

    def _link(self, name: str) -> Path:
        return self.root / "sys/class/net" / name

    def _rename(self, now: Mapping[str, str]) -> dict[str, str]:
        """Give ports the names that are wanted; new and old names of those that had another."""
        found = {}
        for file, text in now.items():
            mac, wanted = section(text, "(?:Permanent)?MACAddress"), section(text, "Name")
            if not file.endswith(".link") or self._link(wanted).exists():
                continue
            for link in sorted((self.root / "sys/class/net").iterdir()):
                if (link / "device").exists() and self._mac(link) == mac:
                    self._set_name(link.name, wanted)
                    found[wanted] = link.name
        return found

    def _mac(self, link: Path) -> str:
        return (link / "address").read_text().strip() if (link / "address").exists() else ""

    def _set_name(self, old: str, new: str) -> None:
        self.run(["ip", "link", "set", old, "down"])
        self.run(["ip", "link", "set", old, "name", new])


def cpus_of(node: int, root: Path = Path("/")) -> list[int]:
    """The processors of a NUMA node, in order."""
    path = root / f"sys/devices/system/node/node{node}/cpulist"
    text = path.read_text().strip() if path.exists() else ""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def mask(cpus: Sequence[int]) -> str:
    """Processors as the kernel writes them: groups of 32 bits in hexadecimal, highest first."""
    bits = sum(1 << cpu for cpu in cpus)
    groups = [f"{bits >> shift & 0xFFFFFFFF:08x}" for shift in range(0, bits.bit_length() or 1, 32)]
    return ",".join(reversed(groups))


def placement(queues: int, cpus: Sequence[int]) -> list[list[int]]:
    """Which processors each of a port's queues gets: one each, or several where there are fewer."""
    return [list(cpus[queue % len(cpus) :: max(queues, 1)]) or [cpus[queue % len(cpus)]]
            for queue in range(queues)] if cpus else []  # fmt: skip


def interrupts(link: Path) -> list[int]:
    """The interrupts of a port's queues; of a virtio port, those of the PCI device below it."""
    device = (link / "device").resolve()
    for folder in (device, device.parent):
        if (folder / "msi_irqs").is_dir():
            return sorted(int(each.name) for each in (folder / "msi_irqs").iterdir())
    return []


def tune(ports: Sequence[Mapping[str, Any]], root: Path = Path("/")) -> list[str]:
    """Put each port's interrupts and send queues on its own processor; tells what was set."""
    done = []
    for port in ports:
        link = root / "sys/class/net" / port["name"]
        node = port["numa_node"]
        cpus = cpus_of(node, root) if node is not None else []
        if not cpus or not link.exists():
            continue
        numbers = interrupts(link)
        for number, own in zip(numbers, placement(len(numbers), cpus), strict=True):
            path = root / f"proc/irq/{number}/smp_affinity_list"
            done += _set(path, ",".join(map(str, own)))
        queues = sorted((link / "queues").glob("tx-*"), key=lambda each: int(each.name[3:]))
        for queue, own in zip(queues, placement(len(queues), cpus), strict=True):
            done += _set(queue / "xps_cpus", mask(own))
    return done


def _set(path: Path, value: str) -> list[str]:
    try:
        path.write_text(value)
    except OSError as error:  # the kernel keeps some to itself, and one queue needs no map
        return [f"{path}: kept ({error.strerror})"]
    return [f"{path}: {value}"]


def bond_state(text: str) -> dict[str, Any]:
    """What /proc/net/bonding/NAME says."""

    def value(name: str, where: str) -> str:
        found = re.search(rf"^\s*{re.escape(name)}: (.*)$", where, re.MULTILINE)
        return found[1].strip() if found else ""

    head, *members = re.split(r"^Slave Interface: ", text, flags=re.MULTILINE)
    return {
        "mode": value("Bonding Mode", head),
        "hash": value("Transmit Hash Policy", head).partition(" ")[0],
        "rate": value("LACP rate", head),
        "miimon_ms": int(value("MII Polling Interval (ms)", head) or 0),
        "ports": int(value("Number of ports", head) or 0),
        "partner": value("Partner Mac Address", head),
        "members": {
            each.splitlines()[0].strip(): {
                "up": value("MII Status", each) == "up",
                "aggregator": value("Aggregator ID", each),
            }
            for each in members
        },
    }


def read_state(config: Mapping[str, Any], peers: Sequence[str], run: Run = run) -> dict[str, Any]:
    """Links, addresses and bonds as they are; and for each peer the packets that reach it."""
    links = {}
    for each in json.loads(run(["ip", "-j", "address", "show"]) or "[]"):
        speed = Path(f"/sys/class/net/{each['ifname']}/speed")
        try:
            mbit = int(speed.read_text())
        except (OSError, ValueError):
            mbit = -1
        links[each["ifname"]] = {
            "mtu": each["mtu"],
            "up": "LOWER_UP" in each["flags"],
            "speed_gbps": mbit / 1000 if mbit > 0 else None,
            "addresses": [f"{a['local']}/{a['prefixlen']}" for a in each["addr_info"]],
        }
    bonds = {
        path.name: bond_state(path.read_text())
        for path in sorted(Path("/proc/net/bonding").glob("*"))
    }
    reached = {}
    for peer in peers:
        address, _, mtu = peer.partition("/")
        size = str(int(mtu) - ICMP_IP_HEADERS)
        ping = ["ping", "-n", "-c", "2", "-i", "0.3", "-W", str(MTU_WAIT_S), "-M", "do", "-s"]
        reached[address] = {
            "mtu": bool(run([*ping, size, address])),
            "any": bool(run([*ping, "56", address])),
        }
    shown = [f"/proc/irq/{number}/smp_affinity_list" for port in config["ports"]
             for number in interrupts(Path("/sys/class/net") / port["name"])]  # fmt: skip
    affinity = {path: Path(path).read_text().strip() for path in shown if Path(path).exists()}
    return {"links": links, "bonds": bonds, "peers": reached, "affinity": affinity}


def main(words: Sequence[str]) -> int:
    """Do what the first word says."""
    change = Change()
    match [*words]:
        case ["compare"]:
            print(json.dumps({"changed": change.differs()}))
        case ["apply", seconds]:
            print(json.dumps({"changed": change.apply(int(seconds))}))
        case ["reload"]:
            change.reload()
        case ["confirm"]:
            why = change.confirm()
            print(why, file=sys.stderr)
            return 1 if why else 0
        case ["restore", *options]:
            change.restore(boot=options == ["--boot"])
        case ["tune"]:
            config = json.loads(Path("/etc/landfall/network.json").read_text())
            print("\n".join(tune(config["ports"])))
        case ["state", *peers]:
            config = json.loads(Path("/etc/landfall/network.json").read_text())
            print(json.dumps(read_state(config, peers), indent=2))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
