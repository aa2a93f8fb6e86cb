"""What each edge configures, from the site's description and the handoff."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.errors import InvalidInput
from landfall.handoff import parse
from landfall.model.link import Link
from landfall.model.site import Site
from landfall.model.tunnels import EdgePlan, crypto, largest_packet, plan
from tests.playbooks import links

VPC = IPv4Network("10.100.0.0/16")


def planned(site: Site, **options: Any) -> tuple[EdgePlan, ...]:
    told = parse({"handoff": links.handoff(site)})
    return plan(site, told.tunnels, vpc=told.vpc_cidr, **options)


def test_the_order_of_edges_and_tunnels_is_the_order_of_preference() -> None:
    tunnels = [tunnel for edge in planned(links.site()) for tunnel in edge.tunnels]
    assert [each.name for each in tunnels] == ["edge-a-1", "edge-a-2", "edge-b-1", "edge-b-2"]
    assert [each.local_preference for each in tunnels] == [300, 290, 280, 270]
    assert [each.prepends for each in tunnels] == [0, 1, 2, 3]
    assert [each.med for each in tunnels] == [100, 200, 300, 400]


def test_a_tunnel_is_known_by_its_inside_range_and_not_by_its_place_in_the_handoff() -> None:
    site = links.site()
    told = parse({"handoff": links.handoff(site)})
    shuffled = plan(site, told.tunnels[::-1], vpc=VPC)
    assert shuffled == planned(site)
    assert shuffled[0].tunnels[0].cloud_inside == IPv4Address("169.254.30.1")


@pytest.mark.parametrize(
    ("nat", "mtu", "mss"),
    [(False, 1446, 1406), (True, 1438, 1398)],  # the table of the Site-to-Site VPN guide
)
def test_the_packet_size_is_the_guides(nat: bool, mtu: int, mss: int) -> None:
    assert largest_packet(nat=nat) == mtu
    local = IPv4Address("10.64.48.2") if nat else None
    edge = planned(links.site(), local=local)[0]
    assert (edge.mtu, edge.mss) == (mtu, mss)


def test_a_smaller_packet_size_of_the_site_is_kept() -> None:
    small = links.site(link={"mtu": 1300, "mss": 1240})
    assert {(edge.mtu, edge.mss) for edge in planned(small)} == {(1300, 1240)}


@given(timeout=st.integers(30, 3600))
def test_a_silent_peer_is_given_up_when_the_cloud_gives_it_up(timeout: int) -> None:
    found = crypto(Link(dpd_timeout_s=timeout))
    pauses = [
        found.retransmit_timeout_s * found.retransmit_base**n
        for n in range(found.retransmit_tries + 1)
    ]
    assert found.dpd_delay_s + sum(pauses) == pytest.approx(timeout, abs=0.1)


@given(ike=st.integers(900, 28800), esp=st.integers(900, 3600))
def test_keys_are_changed_before_the_cloud_would_change_them(ike: int, esp: int) -> None:
    found = crypto(Link(ike_lifetime_s=ike, esp_lifetime_s=esp))
    # The cloud begins at the earliest 2 * 270 s before the end: its margin and its fuzz of 100 %.
    assert found.ike_rekey_s <= ike - 540
    assert found.esp_rekey_s <= esp - 540
    assert found.ike_rekey_s + found.ike_over_s == ike
    assert found.esp_life_s == esp
    assert found.esp_rekey_s - found.rekey_spread_s > 0


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no tunnels": ({}, {"tunnels": []}, "0 of the 2 tunnels of edge-a"),
    "segments too large": (
        {"link": {"mtu": 1300, "mss": 1300}},
        {},
        "site.link.mss: 1300 does not fit an MTU of 1300: 1260",
    ),
    "the VPC overlaps": (
        {},
        {"vpc_cidr": "10.64.0.0/16"},
        "site.networks.management: 10.64.0.0/24 overlaps the VPC",
    ),
    "one host for two edges": (
        {"edges": [links.EDGES[0], {**links.EDGES[1], "host": "edge-1"}]},
        {},
        "edge-1 is the host of more than one edge",
    ),
    "a line on an edge of ours": (
        {
            "edges": [{**links.EDGES[0], "line_address": "10.255.0.2"}],
            "link": {
                "kind": "direct_connect",
                "connections": [
                    {
                        "edge": "edge-a", "location": "EqFA5", "bandwidth": "10Gbps", "vlan": 101,
                        "peering": "169.254.100.0/30",
                    }
                ],
            },
        },
        {},
        "set edge_owner: others, and the parameter sheet says what the line needs",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_configured_is_refused_plainly(case: str) -> None:
    more, told, message = REFUSED[case]
    site = links.site(**more)
    parsed = parse({"handoff": links.handoff(site, **told)})
    with pytest.raises(InvalidInput) as refused:
        plan(site, parsed.tunnels, vpc=parsed.vpc_cidr)
    assert message in str(refused.value)


def test_every_problem_is_told_at_once() -> None:
    site = links.site(link={"mtu": 1300, "mss": 1300})
    with pytest.raises(InvalidInput) as refused:
        plan(site, (), vpc=IPv4Network("10.64.0.0/16"))
    assert len(refused.value.problems) == 1 + 4 + 2
