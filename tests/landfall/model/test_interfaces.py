"""A host's interfaces follow from its ports, bonds and addresses."""

from __future__ import annotations

from typing import Any

import pytest

from landfall.errors import InvalidInput
from landfall.model.interfaces import Interface, interfaces
from tests.playbooks import links


def found(**more: Any) -> dict[str, Interface]:
    return {each.name: each for each in interfaces(links.host(**more), links.site())}


def test_ports_come_before_bonds_and_bonds_before_vlans() -> None:
    assert [*found()] == ["ens1", "ens2", "eno1", "bond0", "bond0.116", "bond0.132"]


def test_members_carry_nothing_themselves() -> None:
    made = found()
    assert made["ens1"].member_of == made["ens2"].member_of == "bond0"
    assert made["ens1"].placed == ()
    assert made["bond0"].vlans == ("bond0.116", "bond0.132")
    assert made["bond0.116"].mtu == 9000


def test_the_first_network_with_a_router_has_the_default_route() -> None:
    routers = {each.network: each.router for one in found().values() for each in one.placed}
    assert {name: router and router.table for name, router in routers.items()} == {
        "management": 0,
        "storage": None,
        "serving": 1001,
    }


def test_a_host_without_addresses_is_left_alone() -> None:
    assert found(addresses=[]) == {}


def test_ports_without_a_task_are_left_alone() -> None:
    assert "eno1" not in found(addresses=links.HOST["addresses"][1:])


def test_a_bond_without_addresses_is_not_made() -> None:
    assert [*found(addresses=links.HOST["addresses"][:1])] == ["eno1"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a name that is too long": (
        {
            "bonds": [{**links.HOST["bonds"][0], "name": "bond-of-storage"}],
            "addresses": [
                {"network": "storage", "interface": "bond-of-storage", "address": "10.64.16.11"}
            ],
        },
        "bond-of-storage.116 is longer than 15 characters",
    ),
    "an unknown network": (
        {"addresses": [{"network": "backup", "interface": "eno1", "address": "10.64.0.1"}]},
        "host.addresses.0.network: no network backup",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused(case: str) -> None:
    more, message = REFUSED[case]
    with pytest.raises(InvalidInput, match=message):
        found(**more)


def test_two_untagged_networks_on_one_port_are_refused() -> None:
    site = links.site(networks={"a": "10.1.0.0/24", "b": "10.2.0.0/24"}, flows=[])
    host = links.host(
        addresses=[
            {"network": "a", "interface": "eno1", "address": "10.1.0.1"},
            {"network": "b", "interface": "eno1", "address": "10.2.0.1"},
        ]
    )
    with pytest.raises(InvalidInput, match="eno1 carries a untagged already; give b a VLAN id"):
        interfaces(host, site)
