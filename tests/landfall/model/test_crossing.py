"""What may cross the link follows from the site's flows, and from nothing else."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from landfall.model.crossing import crossings
from tests.playbooks import links

HOSTS = [IPv4Address("10.64.32.11"), IPv4Address("10.64.32.10")]
RESOLVERS = [IPv4Address("10.100.0.10")]


def test_only_flows_with_the_cloud_at_one_end_cross() -> None:
    outward, inward = crossings(links.site(), hosts=HOSTS)
    assert (outward.outward, outward.protocol, outward.ports) == (True, "tcp", (443,))
    assert outward.ranges == (IPv4Network("10.64.32.10/31"),)
    assert (inward.outward, inward.protocol, inward.ports) == (False, "udp", (53,))
    assert inward.ranges == (IPv4Network("10.64.0.0/24"),)


def test_without_known_hosts_the_sites_networks_stand_for_them() -> None:
    site = links.site()
    assert crossings(site, hosts=[])[0].ranges == tuple(site.ranges.values())


def test_names_cross_where_the_cloud_answers_for_them() -> None:
    assert crossings(links.site(flows=[]), hosts=HOSTS) == ()
    found = crossings(links.site(flows=[]), hosts=HOSTS, resolvers=RESOLVERS)
    assert {(each.protocol, each.ports, each.outward, each.asked) for each in found} == {
        ("tcp", (53,), True, tuple(RESOLVERS)),
        ("udp", (53,), True, tuple(RESOLVERS)),
    }
