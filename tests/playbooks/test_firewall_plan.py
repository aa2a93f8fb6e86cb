"""The firewall's plan: exactly what flows name passes, whatever the site looks like."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landfall import process, render
from landfall.model.environment import ROOT
from tests.playbooks.loading import load

firewall: Any = load(ROOT / "playbooks/plugins/filter/landfall_firewall.py")

NETWORKS = {name: {"range": f"10.{n}.0.0/24"} for n, name in enumerate(("mgmt", "nas", "api"), 1)}
CLOUD = "10.9.0.0/16"
PORTS = (22, 53, 443)
HOSTS = ["10.1.0.11", "10.2.0.11", "10.1.0.12", "10.3.0.12"]
STRANGER = "192.0.2.1"
PLACES = ["10.1.0.11", "10.1.0.12", "10.1.0.99", "10.2.0.11", "10.3.0.12", "10.9.3.4", STRANGER]

ends = st.sampled_from([*NETWORKS, "hosts", "cloud"])
ports = st.lists(st.sampled_from(PORTS), max_size=2, unique=True)
flow = st.fixed_dictionaries({"from": ends, "to": ends, "tcp": ports, "udp": ports}).map(
    lambda each: {**each, "why": 'a "reason"\n'}
)
flows = st.lists(flow, max_size=5)
own = st.lists(st.sampled_from(["mgmt", "nas", "api"]), min_size=1, unique=True).map(
    lambda names: [
        {"network": n, "address": NETWORKS[n]["range"].replace("0/24", "11")} for n in names
    ]
)


def plan(flows: list[Any], addresses: list[Any], **more: Any) -> dict[str, Any]:
    given_hosts = {"hosts": HOSTS, "cloud": [CLOUD], **more}
    found: dict[str, Any] = firewall.firewall_plan(NETWORKS, flows, addresses, **given_hosts)
    return found


def belongs(address: str, end: str) -> bool:
    """What a flow's `from` and `to` say, word by word."""
    if end == "hosts":
        return address in HOSTS
    inside = CLOUD if end == "cloud" else NETWORKS[end]["range"]
    return IPv4Address(address) in IPv4Network(inside)


def wanted(flows: list[Any], source: str, target: str, protocol: str, port: int) -> bool:
    return any(
        belongs(source, each["from"]) and belongs(target, each["to"]) and port in each[protocol]
        for each in flows
    )


@given(flows=flows, addresses=own)
def test_a_host_lets_in_and_out_what_flows_name_and_nothing_else(
    flows: list[Any], addresses: list[Any]
) -> None:
    found = plan(flows, addresses, hosts=[*HOSTS, *(each["address"] for each in addresses)])
    mine = {each["address"] for each in addresses} & set(HOSTS)
    for me, other in itertools.product(mine, set(PLACES) - mine):
        for protocol, port in itertools.product(("tcp", "udp"), PORTS):
            comes = firewall.allows(found, "incoming", other, me, protocol, port)
            assert comes == wanted(flows, other, me, protocol, port)
            goes = firewall.allows(found, "outgoing", me, other, protocol, port)
            assert goes == wanted(flows, me, other, protocol, port)


@given(flows=flows, addresses=own)
def test_no_flow_never_opens_anything_to_strangers(flows: list[Any], addresses: list[Any]) -> None:
    found = plan(flows, addresses)
    [elsewhere] = [zone for zone in found["zones"] if zone["name"] == "elsewhere"]
    assert elsewhere["incoming"] == elsewhere["outgoing"] == ()
    assert found["forward"] == []


@given(flows=flows)
def test_one_more_flow_only_ever_opens(flows: list[Any]) -> None:
    mine = [{"network": "mgmt", "address": "10.1.0.11"}]
    more = [*flows, {"from": "nas", "to": "hosts", "tcp": [443], "udp": [], "why": "more"}]
    small, large = plan(flows, mine), plan(more, mine)
    for source, port in itertools.product(PLACES, PORTS):
        asked = ("incoming", source, "10.1.0.11", "tcp", port)
        assert firewall.allows(large, *asked) or not firewall.allows(small, *asked)


WRONG = {
    "host.addresses: empty": ({}, [], []),
    "host.addresses.0.network: no network lan": (
        {},
        [],
        [{"network": "lan", "address": "10.1.0.1"}],
    ),
    "host.addresses.0.address: 10.2.0.1 is not in 10.1.0.0/24": (
        {},
        [],
        [{"network": "mgmt", "address": "10.2.0.1"}],
    ),
    "site.networks.hosts: hosts has a meaning": ({"hosts": {"range": "10.8.0.0/24"}}, [], []),
    "site.flows.0.to: no network lan": ({}, [{"from": "mgmt", "to": "lan"}], []),
}


@pytest.mark.parametrize("problem", WRONG)
def test_what_is_wrong_is_named(problem: str) -> None:
    networks, flows, addresses = WRONG[problem]
    found = firewall.firewall_plan({**NETWORKS, **networks}, flows, addresses)
    assert any(line.startswith(problem) for line in found["problems"]), found["problems"]
    assert found["zones"] == []


def test_services_given_by_address_need_no_flow() -> None:
    services = {
        "dns": ["10.1.0.53"],
        "ntp": ["time.example"],
        "packages": {"url": "http://10.1.0.80:8000/apt/"},
        "logs": {"address": "10.9.0.5", "port": 6514},
        "tang": [{"url": "http://10.2.0.7"}],
        "registry": "10.3.0.5:5000",
    }
    mine = [{"network": "mgmt", "address": "10.1.0.11"}]
    found = plan([], mine, services=services)
    asked = [
        ("10.1.0.53", "udp", 53),
        ("10.1.0.53", "tcp", 53),
        ("10.1.0.80", "tcp", 8000),
        ("10.9.0.5", "tcp", 6514),
        ("10.2.0.7", "tcp", 80),
        ("10.3.0.5", "tcp", 5000),
    ]
    for target, protocol, port in asked:
        assert firewall.allows(found, "outgoing", "10.1.0.11", target, protocol, port)
        assert not firewall.allows(found, "incoming", target, "10.1.0.11", protocol, port)
    assert found["names"] == ["site.services.ntp: time.example, udp 123"]


RESOLVER, OTHER_EDGE, LISTENS = "10.9.0.10", "10.2.0.12", "10.2.0.11"

ASKED = {
    "an edge and its resolver": ("outgoing", LISTENS, RESOLVER, "udp", 53, True),
    "an edge and the rest of the cloud": ("outgoing", LISTENS, "10.9.0.11", "udp", 53, False),
    "the site's name server and the edge": ("incoming", "10.1.0.53", LISTENS, "udp", 53, True),
    "at another address of the edge": ("incoming", "10.1.0.53", "10.1.0.11", "udp", 53, False),
    "the cloud and the edge": ("incoming", RESOLVER, LISTENS, "tcp", 53, False),
    "the other edge's routes": ("incoming", OTHER_EDGE, LISTENS, "tcp", 179, True),
    "routes to the other edge": ("outgoing", LISTENS, OTHER_EDGE, "tcp", 179, True),
    "routes of somebody else": ("incoming", "10.2.0.13", LISTENS, "tcp", 179, False),
}


@pytest.mark.parametrize("who", ASKED)
def test_an_edge_hears_other_edges_and_asks_and_answers_names(who: str) -> None:
    mine = [{"network": n, "address": f"10.{i}.0.11"} for i, n in ((1, "mgmt"), (2, "nas"))]
    more = {"resolvers": [RESOLVER], "edges": [OTHER_EDGE], "listen": [LISTENS]}
    *connection, passes = ASKED[who]
    assert firewall.allows(plan([], mine, routes=True, **more), *connection) is passes
    assert not firewall.allows(plan([], mine, routes=True), *connection)


def test_names_of_the_cloud_are_forwarded_by_edges_alone() -> None:
    mine = [{"network": "mgmt", "address": "10.1.0.11"}]
    ranges = tuple(each["range"] for each in NETWORKS.values())
    found = plan([], mine, routes=True, resolvers=[RESOLVER])["forward"]
    assert [(each["protocol"], each["ports"]) for each in found] == [("udp", (53,)), ("tcp", (53,))]
    assert {(each["sources"], each["targets"]) for each in found} == {(ranges, (RESOLVER,))}
    assert plan([], mine, resolvers=[RESOLVER])["forward"] == []


def test_who_would_be_locked_out_is_told_beforehand() -> None:
    ssh = {"from": "mgmt", "to": "hosts", "tcp": [22], "udp": [], "why": "ssh"}
    found = plan([ssh], [{"network": "mgmt", "address": "10.1.0.11"}])
    inside, outside = "10.1.0.5 4000 10.1.0.11 22", "10.3.0.5 4000 10.1.0.11 22"
    assert firewall.firewall_refusal(found, inside, []) == ""
    assert "the controller is 10.3.0.5" in firewall.firewall_refusal(found, outside, [])
    assert "tcp 2222 of 10.1.0.11" in firewall.firewall_refusal(found, inside + "22", [])
    assert firewall.firewall_refusal(found, "", []) == ""  # not ssh
    assert firewall.firewall_refusal(found, outside, ["10.1.0.6"]) == ""


VALUES: dict[str, Any] = {
    "firewall_tunnels": [
        {"outside": "198.51.100.7", "inside": "169.254.10.0/30"},
        {"outside": "198.51.100.8", "inside": "169.254.11.0/30"},
    ],
    "firewall_edges": [],
    "firewall_cloud": [CLOUD],
    "firewall_confined_uids": [33],
    "firewall_confined_may_ask": [{"address": "10.9.0.5", "port": 443}],
    "firewall_logged_per_minute": 6,
    "firewall_icmp_per_second": 50,
}


def ruleset(found: dict[str, Any], **values: Any) -> str:
    given_values = {**VALUES, **values, "__firewall_plan": found}
    return render.render("nftables/landfall.nft.j2", given_values)


def example() -> dict[str, Any]:
    """An edge that forwards between a network and the cloud."""
    flows = [
        {"from": "mgmt", "to": "hosts", "tcp": [22], "why": "configuration"},
        {"from": "api", "to": "api", "tcp": [443], "why": "not reached"},
        {"from": "hosts", "to": "hosts", "tcp": [5201], "udp": [5201], "why": "burn-in"},
        {"from": "nas", "to": "cloud", "tcp": [443], "why": "artifacts"},
    ]
    addresses = [{"network": n, "address": f"10.{i}.0.11"} for i, n in ((1, "mgmt"), (2, "nas"))]
    more = {"resolvers": ["10.9.0.10"], "edges": ["10.2.0.12"], "listen": ["10.2.0.11"]}
    return plan(flows, addresses, routes=True, services={"dns": ["10.1.0.53"]}, **more)


def test_the_ruleset_is_what_was_reviewed() -> None:
    golden = ROOT / "tests/templates/landfall.nft.golden"
    assert ruleset(example(), firewall_edges=["10.2.0.12"]) == golden.read_text()


@pytest.mark.host
@settings(max_examples=25, deadline=None)
@given(flows=flows, addresses=own, routes=st.booleans(), tunnels=st.booleans())
def test_nft_accepts_every_ruleset(
    flows: list[Any], addresses: list[Any], routes: bool, tunnels: bool
) -> None:
    text = ruleset(
        plan(flows, addresses, routes=routes),
        firewall_tunnels=VALUES["firewall_tunnels"] if tunnels else [],
        firewall_confined_uids=[33] if tunnels else [],
        firewall_confined_may_ask=[],
    )
    done = checked(text)
    assert done.returncode == 0, done.stderr + text


@pytest.mark.host
def test_nft_accepts_what_closes_a_host() -> None:
    text = render.render("nftables/landfall-closed.nft.j2", {})
    assert checked(text).returncode == 0


def checked(text: str) -> process.Completed:
    nft = process.which("nft", path="/usr/sbin:/usr/bin", hint="apt-get install nftables")
    return process.run(["unshare", "--net", nft, "--check", "--file", "-"], stdin=text, check=False)
