"""The role `network` without a host: a change and its way back, and what is told to be wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.playbooks import links

FILTERS = links.filters("landfall_network")
PROGRAM = links.module("roles/network/files/network.py")
RECORDED = Path(__file__).parent / "recorded"

SITE, HOST = links.written(links.site()), links.written(links.host())

FIRST = {"05-landfall-bond0.netdev": "[NetDev]\nName=bond0\nKind=bond\n"}
SECOND = {
    "05-landfall-bond0.netdev": "[NetDev]\nName=bond0\nKind=bond\nMTUBytes=9000\n",
    "05-landfall-ens1.link": "[Match]\nPermanentMACAddress=02:00:00:00:00:01\n[Link]\nName=ens1\n",
}


class Ran:
    """A host's commands, noted down instead of run."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, argv: Sequence[str]) -> str:
        self.lines.append(" ".join(argv))
        return ""

    def said(self, part: str) -> bool:
        return any(part in line for line in self.lines)


@pytest.fixture
def ran() -> Ran:
    return Ran()


@pytest.fixture
def change(tmp_path: Path, ran: Ran) -> Any:
    (tmp_path / "sys/class/net").mkdir(parents=True)
    return PROGRAM.Change(root=tmp_path, run=ran)


def want(change: Any, files: dict[str, str]) -> None:
    folder = change.kept / "wanted"
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text)


def confirmed(change: Any, files: dict[str, str]) -> None:
    want(change, files)
    assert change.apply(60)
    change.reload()
    assert change.confirm() == ""


def test_the_way_back_is_armed_before_anything_changes(change: Any, ran: Ran) -> None:
    want(change, FIRST)
    assert change.apply(60) == ["05-landfall-bond0.netdev"]
    assert change.files(change.live) == FIRST
    arm, reload = ran.lines
    assert "--unit=landfall-network-restore --on-active=60" in arm
    assert reload.endswith("network reload")
    assert change.armed.exists()


def test_what_is_as_wanted_is_not_touched(change: Any, ran: Ran) -> None:
    confirmed(change, FIRST)
    ran.lines.clear()
    assert change.apply(60) == []
    assert ran.lines == []
    assert not change.armed.exists()


def test_an_unconfirmed_change_is_taken_back_whole(change: Any, ran: Ran) -> None:
    confirmed(change, FIRST)
    want(change, SECOND)
    change.apply(60)
    change.reload()
    ran.lines.clear()
    change.restore()
    assert change.files(change.live) == FIRST
    assert ran.said("networkctl delete bond0")  # its MTU is another one: networkd keeps old devices
    assert ran.said("networkctl reload")
    assert "taken it back" in change.confirm()


def test_a_change_is_confirmed_only_after_it_was_made(change: Any) -> None:
    want(change, FIRST)
    change.apply(60)
    assert change.confirm() == "the change has not been made yet"
    change.reload()
    assert change.confirm() == ""
    change.restore()
    assert change.files(change.live) == FIRST


def test_a_second_change_begins_by_taking_the_unconfirmed_one_back(change: Any) -> None:
    confirmed(change, FIRST)
    want(change, SECOND)
    change.apply(60)
    want(change, {})
    change.apply(60)
    assert change.files(change.live) == {}
    change.restore()
    assert change.files(change.live) == FIRST


def test_an_unconfirmed_change_is_a_difference_although_every_file_is_as_wanted(
    change: Any,
) -> None:
    want(change, FIRST)
    change.apply(60)
    change.reload()
    assert change.differs() == [str(change.armed)]
    assert change.apply(60) == ["05-landfall-bond0.netdev"]  # taken back, and made again
    assert change.armed.exists()


@pytest.mark.parametrize("step", range(1, 12))
def test_a_kill_at_any_write_leaves_a_way_back(
    change: Any, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The host is switched off after STEP writes, and started again: it is as it was."""
    confirmed(change, FIRST)
    want(change, SECOND)
    writes, real = 0, PROGRAM.write

    def write(path: Path, text: str) -> None:
        nonlocal writes
        writes += 1
        if writes > step:
            raise SystemError("the power is gone")
        real(path, text)

    monkeypatch.setattr(PROGRAM, "write", write)
    try:
        change.apply(60)
        change.reload()
    except SystemError:
        pass
    monkeypatch.setattr(PROGRAM, "write", real)
    change.restore(boot=True)
    assert change.files(change.live) == FIRST
    assert not change.armed.exists()


def test_other_programs_descriptions_are_put_aside_and_brought_back(change: Any) -> None:
    netplan = change.root / "etc/netplan/50-cloud-init.yaml"
    mine = change.root / "etc/network/interfaces.d/bond"
    other = change.root / "etc/network/interfaces"
    for path, text in (
        (netplan, "network: {}"),
        (mine, "iface bond0 inet dhcp"),
        (other, "iface lo"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    want(change, FIRST)
    change.apply(60)
    assert not netplan.exists()
    assert not mine.exists()
    assert other.exists()  # it names none of our interfaces
    change.restore()
    assert netplan.read_text() == "network: {}"
    assert mine.exists()


def test_ports_get_their_names_and_get_the_old_ones_back(change: Any, ran: Ran) -> None:
    port = change.root / "sys/class/net/enp3s0"
    (port / "device").mkdir(parents=True)
    (port / "address").write_text("02:00:00:00:00:01\n")
    want(change, SECOND)
    change.apply(60)
    change.reload()
    assert ran.said("ip link set enp3s0 name ens1")
    change.restore()
    assert ran.said("ip link set ens1 name enp3s0")


# interrupts


@given(st.sets(st.integers(0, 200), min_size=1))
def test_a_mask_has_a_bit_for_each_processor(cpus: set[int]) -> None:
    text = PROGRAM.mask(sorted(cpus))
    assert all(len(group) == 8 for group in text.split(","))
    bits = int(text.replace(",", ""), 16)
    assert {cpu for cpu in range(201) if bits >> cpu & 1} == cpus


@given(st.integers(1, 64), st.lists(st.integers(0, 127), min_size=1, max_size=64, unique=True))
def test_every_queue_has_a_processor_of_the_node_and_every_processor_a_queue(
    queues: int, cpus: list[int]
) -> None:
    placed = PROGRAM.placement(queues, cpus)
    assert len(placed) == queues
    assert all(each and set(each) <= set(cpus) for each in placed)
    assert {cpu for each in placed for cpu in each} == set(cpus) or queues < len(cpus)


def test_interrupts_and_queues_go_to_the_ports_own_node(tmp_path: Path) -> None:
    node = tmp_path / "sys/devices/system/node/node1"
    device = tmp_path / "sys/devices/pci0000:80/0000:80:01.0"
    port = tmp_path / "sys/class/net/ens1"
    for folder in (node, device / "msi_irqs", port / "queues/tx-0", port / "queues/tx-1"):
        folder.mkdir(parents=True)
    (node / "cpulist").write_text("32-33,96\n")
    (port / "device").symlink_to(device)
    for number in (40, 41):
        (device / f"msi_irqs/{number}").touch()
        (tmp_path / f"proc/irq/{number}").mkdir(parents=True)
    PROGRAM.tune([{"name": "ens1", "numa_node": 1}, {"name": "gone", "numa_node": 1}], tmp_path)
    affinity = [tmp_path / f"proc/irq/{number}/smp_affinity_list" for number in (40, 41)]
    assert [path.read_text() for path in affinity] == ["32,96", "33"]
    assert (port / "queues/tx-1/xps_cpus").read_text() == "00000002,00000000"


# what is wrong


def good() -> dict[str, Any]:
    bond = PROGRAM.bond_state((RECORDED / "bonding-bond0.txt").read_text())

    def link(mtu: int, *addresses: str, speed: float | None = None) -> dict[str, Any]:
        return {"mtu": mtu, "up": True, "speed_gbps": speed, "addresses": list(addresses)}

    return {
        "links": {
            "ens1": link(9000, speed=25.0),
            "ens2": link(9000, speed=25.0),
            "eno1": link(1500, "10.64.0.11/24", "fe80::1/64"),
            "bond0": link(9000, speed=50.0),
            "bond0.116": link(9000, "10.64.16.11/24"),
            "bond0.132": link(9000, "10.64.32.11/24"),
        },
        "bonds": {"bond0": bond},
        "peers": {"10.64.32.1": {"mtu": True, "any": True}},
    }


def test_a_host_as_promised_has_no_problem() -> None:
    assert FILTERS["network_problems"](good(), HOST, SITE) == []


FAULTS: dict[str, tuple[str, Any, list[str]]] = {
    "no LACP": (
        "bonds.bond0.partner",
        "00:00:00:00:00:00",
        ["bond0: the switch does not speak LACP on these ports (partner 00:00:00:00:00:00)"],
    ),
    "one port": ("bonds.bond0.ports", 1, ["bond0: 1 of 2 ports carry traffic"]),
    "slow LACP": ("bonds.bond0.rate", "slow", ["bond0: rate is slow; fast is wanted"]),
    "other hash": ("bonds.bond0.hash", "layer2", ["bond0: hash is layer2; layer3+4 is wanted"]),
    "pulled": ("bonds.bond0.members.ens2.up", False, ["bond0: member ens2 is down or missing"]),
    "no bond": ("bonds", {}, ["bond0: is not a bond"]),
    "half speed": ("links.ens1.speed_gbps", 10.0, ["ens1: runs at 10 Gbit/s; 25 are promised"]),
    "no carrier": ("links.eno1.up", False, ["eno1: has no carrier"]),
    "small MTU": ("links.bond0.mtu", 1500, ["bond0: MTU 1500; 9000 is wanted"]),
    "no address": (
        "links.bond0%116.addresses", [], ["bond0.116: has no address 10.64.16.11/24 (storage)"],
    ),
    "gone": ("links.ens2", None, ["ens2: there is no such interface"]),
    "silent peer": (
        "peers.10%64%32%1.any", False, ["10.64.32.1: answers no ping"],
    ),
    "small peer": (
        "peers.10%64%32%1.mtu",
        False,
        ["10.64.32.1: answers small pings and none of the network's full size; "
         "a switch or the other end has a smaller MTU"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(fault: str) -> None:
    path, value, expected = FAULTS[fault]
    state = copy.deepcopy(good())
    *folders, last = [each.replace("%", ".") for each in path.split(".")]
    place: Any = state
    for each in folders:
        place = place[each]
    place[last] = value
    assert FILTERS["network_problems"](state, HOST, SITE) == expected


def test_peers_are_routers_or_else_other_hosts() -> None:
    other = links.written(
        links.host(
            nics=[{"name": "eno1", "mac": "02:00:00:00:00:09"}],
            bonds=[],
            addresses=[{"network": "storage", "interface": "eno1", "address": "10.64.16.12"}],
        )
    )
    peers = FILTERS["network_peers"](HOST, SITE, [other])
    assert peers == ["10.64.0.1/1500", "10.64.16.12/9000", "10.64.32.1/9000"]
    assert FILTERS["network_peers"](HOST, SITE, []) == ["10.64.0.1/1500", "10.64.32.1/9000"]


def test_nothing_is_in_effect_before_it_is_applied() -> None:
    made = FILTERS["network_files"](HOST, SITE)
    assert not [each for each in made["files"] if "/systemd/network/" in each["path"]]
    config = next(each for each in made["files"] if each["path"].endswith("network.json"))
    assert [port["name"] for port in json.loads(config["content"])["ports"]] == [
        "ens1", "ens2", "eno1",
    ]  # fmt: skip
