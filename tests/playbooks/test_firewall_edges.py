"""Two edges with their real rules, in namespaces: routes, names, and packets that pass both.

A host asks the cloud through edge-b, which hands its packets to edge-a; answers come from edge-a
directly. The routes are spoken by FRR itself, as the role `link` configures it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from landfall import process, render
from landfall.model.environment import ROOT
from tests.playbooks import links
from tests.playbooks.loading import load
from tests.playbooks.test_firewall_plan import VALUES

pytestmark = pytest.mark.host

FRR = Path("/usr/lib/frr")
ADDRESSES = {"edge-1": "10.64.48.2", "edge-2": "10.64.48.3", "host": "10.64.48.11"}
RESOLVER, WEB = "10.100.0.10", "10.100.0.20"
LISTENERS = {
    "cloud": [f"{RESOLVER}:53", f"{WEB}:53", f"{WEB}:443", f"{WEB}:8443"],
    "edge-1": [f"{ADDRESSES['edge-1']}:53", f"{ADDRESSES['edge-1']}:1790"],
}
LISTEN = """
import socketserver, sys, threading
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        if isinstance(self.request, tuple):
            self.request[1].sendto(self.client_address[0].encode(), self.client_address)
        else:
            while self.request.recv(100): self.request.sendall(self.client_address[0].encode())
for each in sys.argv[1:]:
    address, port = each.split(":")
    for kind in (socketserver.ThreadingTCPServer, socketserver.ThreadingUDPServer):
        threading.Thread(target=kind((address, int(port)), Echo).serve_forever).start()
print("listening", flush=True)
"""
ASK = """
import socket, sys
kind, source, target, port = sys.argv[1:]
with socket.socket(socket.AF_INET, getattr(socket, kind)) as asked:
    asked.settimeout(3)
    if source: asked.bind((source, 0))
    asked.connect((target, int(port)))
    for _ in range(2):
        asked.sendall(b"x")
        print(asked.recv(100).decode())
"""


@dataclass(frozen=True)
class Net:
    """Namespaces of this run, and what happens in them."""

    folder: Path

    def name(self, place: str) -> str:
        return f"lf-edges-{os.getpid()}-{place}"

    def ip(self, place: str, *words: str) -> None:
        process.run(["ip", "-n", self.name(place), *words])

    def inside(self, place: str, *words: str | Path, **options: Any) -> process.Completed:
        return process.run(["ip", "netns", "exec", self.name(place), *words], **options)

    def spawn(self, name: str, place: str, *words: str) -> None:
        argv = ["ip", "netns", "exec", self.name(place), *words]
        record, log = self.folder / f"{name}.json", self.folder / f"{name}.log"
        process.spawn(argv, name=name, record=record, log=log)

    def ask(self, place: str, kind: str, target: str, port: int, source: str = "") -> str:
        """The address from which an answer says that it was asked; "" without an answer."""
        words = ["python3", "-c", ASK, f"SOCK_{kind}", source, target, str(port)]
        return self.inside(place, *words, check=False).stdout.rpartition("\n")[0].split("\n")[-1]

    def rules(self, place: str, **more: Any) -> None:
        """Load what the role `firewall` would, and what the role `link` would."""
        found = firewall.firewall_plan(
            site["networks"],
            [FLOW],
            [{"network": "link", "address": ADDRESSES[place]}],
            hosts=[*ADDRESSES.values()],
            cloud=["10.100.0.0/16"],
            routes=True,
            **more,
        )
        edges = more.get("edges", [])
        values = {**VALUES, "firewall_edges": edges, "firewall_cloud": ["10.100.0.0/16"]}
        text = render.render("nftables/landfall.nft.j2", {**values, "__firewall_plan": found})
        files = filters["link_files"](site, told, place, {**options(place), "hosts": []})
        link = next(e["content"] for e in files["files"] if e["path"].endswith("link.nft"))
        for each in (text, link):
            self.inside(place, "nft", "-f", "-", stdin=each)

    def routes(self, place: str) -> dict[str, Any]:
        """The BGP sessions of an edge, by neighbour."""
        words = [f"--vty_socket={self.folder / place}", "-c", "show bgp summary json"]
        said = self.inside(place, "vtysh", *words, check=False).stdout
        peers: dict[str, Any] = json.loads(said or "{}").get("ipv4Unicast", {}).get("peers", {})
        return peers


def options(place: str) -> dict[str, Any]:
    others = [each for name, each in ADDRESSES.items() if name not in (place, "host")]
    return {**links.OPTIONS, "peers": others, "source": ADDRESSES[place]}


firewall: Any = load(ROOT / "playbooks/plugins/filter/landfall_firewall.py")
filters = links.filters("landfall_link")
FLOW = {"from": "link", "to": "cloud", "tcp": [443], "why": "releases"}
site: Any = links.written(links.site(flows=[FLOW]))
told = links.handoff(links.site())


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    made = Net(tmp_path_factory.mktemp("edges"))
    places = ("lan", *ADDRESSES, "cloud")
    try:
        for each in places:
            process.run(["ip", "netns", "add", made.name(each)])
            made.ip(each, "link", "set", "lo", "up")
        lay_cables(made)
        for place, asked in LISTENERS.items():
            made.spawn(f"listen-{place}", place, "python3", "-c", LISTEN, *asked)
        logs = [made.folder / f"listen-{each}.log" for each in LISTENERS]
        assert process.wait_until(lambda: all(log.read_text() for log in logs), timeout_s=20)
        yield made
    finally:
        for record in made.folder.glob("*.json"):
            process.stop(record)
        for each in places:
            process.run(["ip", "netns", "delete", made.name(each)], check=False)


def lay_cables(net: Net) -> None:
    """One network for edges and host; behind edge-1 an interface that leads to the cloud."""
    net.ip("lan", "link", "add", "lan", "type", "bridge")
    net.ip("lan", "link", "set", "lan", "up")
    for place, address in ADDRESSES.items():
        far = ["peer", "name", "lan0", "netns", net.name(place)]
        net.ip("lan", "link", "add", place, "type", "veth", *far)
        net.ip("lan", "link", "set", place, "master", "lan", "up")
        net.ip(place, "address", "add", f"{address}/24", "dev", "lan0")
        net.ip(place, "link", "set", "lan0", "up")
        net.inside(place, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0")
    far = ["peer", "name", "edge", "netns", net.name("cloud")]
    net.ip("edge-1", "link", "add", "cloud1", "type", "veth", *far)
    net.ip("edge-1", "address", "add", "169.254.30.2/30", "dev", "cloud1")
    net.ip("edge-1", "link", "set", "cloud1", "up")
    for address in ("169.254.30.1/30", f"{RESOLVER}/32", f"{WEB}/32"):
        net.ip("cloud", "address", "add", address, "dev", "edge")
    net.ip("cloud", "link", "set", "edge", "up")
    # Like a VPC it knows the way to the site's networks.
    net.ip("cloud", "route", "add", "10.64.48.0/24", "via", "169.254.30.2")
    net.ip("edge-1", "route", "add", "10.100.0.0/16", "via", "169.254.30.1")
    net.ip("edge-2", "route", "add", "10.100.0.0/16", "via", ADDRESSES["edge-1"])
    net.ip("host", "route", "add", "10.100.0.0/16", "via", ADDRESSES["edge-2"])


ALL: dict[str, Any] = {"resolvers": [RESOLVER]}
EDGE_1 = {**ALL, "edges": [ADDRESSES["edge-2"]], "listen": [ADDRESSES["edge-1"]]}
EDGE_2 = {**ALL, "edges": [ADDRESSES["edge-1"]], "listen": [ADDRESSES["edge-2"]]}


def test_a_host_reaches_the_cloud_over_both_edges(net: Net) -> None:
    net.rules("edge-1", **EDGE_1)
    net.rules("edge-2", resolvers=[RESOLVER])
    assert net.ask("host", "STREAM", WEB, 443) == ""  # edge-2 sees one direction only
    net.rules("edge-2", **EDGE_2)
    assert net.ask("host", "STREAM", WEB, 443) == ADDRESSES["host"]
    assert net.ask("host", "STREAM", WEB, 8443) == ""  # edge-1 judges what edge-2 lets pass


@pytest.mark.parametrize("kind", ["STREAM", "DGRAM"])
def test_names_are_asked_from_the_site_and_by_the_edge_itself(net: Net, kind: str) -> None:
    net.rules("edge-1", **EDGE_1)
    net.rules("edge-2", **EDGE_2)
    assert net.ask("host", kind, RESOLVER, 53) == ADDRESSES["host"]
    assert net.ask("host", kind, WEB, 53) == ""  # no resolver
    assert net.ask("edge-1", kind, RESOLVER, 53) == ADDRESSES["edge-1"]  # not 169.254.30.2
    assert net.ask("host", kind, ADDRESSES["edge-1"], 53) == ADDRESSES["host"]  # the forwarder
    assert net.ask("host", kind, ADDRESSES["edge-1"], 1790) == ""


def test_edges_tell_each_other_their_routes(net: Net) -> None:
    if not (FRR / "bgpd").exists():
        pytest.skip("cannot run here: no FRR; apt-get install frr")
    for place in ("edge-1", "edge-2"):
        files = filters["link_files"](site, told, place, options(place))
        config = next(e["content"] for e in files["files"] if e["path"].endswith("frr.conf"))
        talk(net, place, config)
    other = {"edge-1": ADDRESSES["edge-2"], "edge-2": ADDRESSES["edge-1"]}

    def established() -> bool:
        return all(
            net.routes(place).get(peer, {}).get("state") == "Established"
            for place, peer in other.items()
        )

    net.rules("edge-1", **ALL)
    net.rules("edge-2", **ALL)
    assert not process.wait_until(established, timeout_s=6, interval_s=1)
    net.rules("edge-1", **EDGE_1)
    net.rules("edge-2", **EDGE_2)
    assert process.wait_until(established, timeout_s=60, interval_s=1)


def talk(net: Net, place: str, config: str) -> None:
    """Start FRR's BGP in a namespace, with the edge's own configuration."""
    folder = net.folder / place
    folder.mkdir()
    (folder / "bgpd.conf").write_text(config + "line vty\n")
    folder.chmod(0o777)
    words = [
        "-f",
        str(folder / "bgpd.conf"),
        "--vty_socket",
        str(folder),
        "-i",
        str(folder / "pid"),
    ]
    net.spawn(f"bgpd-{place}", place, str(FRR / "bgpd"), "-A", "127.0.0.1", "-n", "-S", *words)
    assert process.wait_until((folder / "bgpd.vty").exists, timeout_s=20)
