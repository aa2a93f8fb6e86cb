"""A VPC's network is divided without overlap, and the same way each time."""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from stacks.ranges import divide, resolver_addresses
from stacks.settings.parts import VPC_PREFIXES

ZONES = st.integers(min_value=2, max_value=3)
NETWORKS = st.builds(
    lambda second, prefix: IPv4Network(f"10.{second}.0.0/{prefix}"),
    st.integers(min_value=0, max_value=255),
    st.sampled_from(VPC_PREFIXES),
)


@given(NETWORKS, ZONES)
def test_parts_lie_in_the_network_and_apart(network: IPv4Network, zones: int) -> None:
    parts = divide(network, zones)
    ranges = [each for part in parts for each in (part.private, part.isolated, part.attachment)]
    assert len(parts) == zones
    assert all(each.subnet_of(network) for each in ranges)
    assert not any(one.overlaps(other) for one, other in combinations(ranges, 2))
    assert {part.attachment.prefixlen for part in parts} == {28}


@given(NETWORKS)
def test_a_third_zone_later_moves_nothing(network: IPv4Network) -> None:
    assert divide(network, 3)[:2] == divide(network, 2)


def test_a_network_of_a_usual_size() -> None:
    first, *_ = divide(IPv4Network("10.120.0.0/16"), 3)
    assert str(first.private) == "10.120.0.0/19"
    assert str(first.isolated) == "10.120.32.0/21"
    assert str(first.attachment) == "10.120.63.240/28"
    assert [str(each) for each in resolver_addresses(IPv4Network("10.120.0.0/16"))] == [
        "10.120.0.10",
        "10.120.64.10",
    ]
