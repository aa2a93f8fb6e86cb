"""A site, a handoff and hosts for tests of the link and the network, and the filters by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from ipaddress import IPv4Address
from types import ModuleType
from typing import Any

from landfall.model.environment import ROOT
from landfall.model.host import Host
from landfall.model.site import Site
from tests.playbooks.loading import load

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:s2svpn!vpn-0123-{edge}"
CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/a"

NETWORKS: dict[str, Any] = {
    "management": {"range": "10.64.0.0/24", "gateway": "10.64.0.1"},
    "storage": {"range": "10.64.16.0/24", "vlan": 116, "mtu": 9000},
    "serving": {"range": "10.64.32.0/24", "vlan": 132, "mtu": 9000, "gateway": "10.64.32.1"},
    "link": {"range": "10.64.48.0/24", "vlan": 148},
}
EDGES: list[dict[str, Any]] = [
    {
        "name": "edge-a", "address": "198.51.100.20", "asn": 65030, "host": "edge-1",
        "inside": ["169.254.30.0/30", "169.254.31.0/30"],
    },
    {
        "name": "edge-b", "address": "203.0.113.20", "asn": 65030, "host": "edge-2",
        "inside": ["169.254.32.0/30", "169.254.33.0/30"],
    },
]  # fmt: skip
FLOWS = [
    {"from": "hosts", "to": "cloud", "tcp": [443], "why": 'releases and the "registry"'},
    {"from": "cloud", "to": "management", "udp": [53], "why": "names of the site"},
    {"from": "management", "to": "hosts", "tcp": [22], "why": "operators"},
]
OPTIONS: dict[str, Any] = {
    "local_address": "",
    "peers": [],
    "source": "10.64.48.3",
    "hosts": ["10.64.32.11", "10.64.32.12"],
    "dns": True,
    "domains": [],
    "dns_listen": ["10.64.48.2"],
    "metrics_folder": "/var/lib/prometheus/node-exporter",
    "every_s": 15,
    "certificate": "",
    "private_key": "",
    "authorities": [],
}  # fmt: skip
HOST: dict[str, Any] = {
    "cpu": {"min_cores": 1},
    "memory_gib": {"min": 1},
    "os": {"distribution": "Debian", "release": "12"},
    "nics": [
        {
            "name": "ens1", "mac": "02:00:0a:40:01:00", "speed_gbps": 25, "numa_node": 0,
            "mtu": 9000, "rings": 4096, "queues": 16,
        },
        {"name": "ens2", "mac": "02:00:0a:40:01:01", "speed_gbps": 25, "numa_node": 0, "mtu": 9000},
        {"name": "eno1", "mac": "02:00:0a:40:01:02", "speed_gbps": 1},
    ],
    "bonds": [{"name": "bond0", "members": ["ens1", "ens2"], "mtu": 9000}],
    "addresses": [
        {"network": "management", "interface": "eno1", "address": "10.64.0.11"},
        {"network": "storage", "interface": "bond0", "address": "10.64.16.11"},
        {"network": "serving", "interface": "bond0", "address": "10.64.32.11"},
    ],
}  # fmt: skip


def site(**more: Any) -> Site:
    """A site with two edges of Landfall's own; `more` says it differently."""
    return Site.model_validate(
        {
            "name": "hospital",
            "networks": NETWORKS,
            "flows": FLOWS,
            "edges": EDGES,
            "edge_owner": "landfall",
            "link": {"cloud_asn": 64530},
            **more,
        }
    )


def host(**more: Any) -> Host:
    """A server with a bond of two ports and one port for management."""
    return Host.model_validate({**HOST, **more})


def handoff(of: Site, **more: Any) -> dict[str, Any]:
    """What a stack made from this site would tell: both tunnels of each edge."""
    certified = of.link.authentication == "certificate"
    tunnels = [
        {
            "edge": edge.name,
            "cloud_address": str(IPv4Address("192.0.2.10") + 10 * index + number),
            "cloud_inside": str(inside[1]),
            "site_inside": str(inside[2]),
            "cloud_asn": of.link.cloud_asn,
            "preshared_key_arn": None if certified else ARN.format(edge=edge.name),
            "certificate_arn": CERTIFICATE if certified else None,
        }
        for index, edge in enumerate(of.edges)
        for number, inside in enumerate(edge.inside)
        if of.link.tunnelled
    ]
    return {
        "account": "123456789012",
        "region": "eu-central-1",
        "provider": "offline",
        "vpc_cidr": "10.100.0.0/16",
        "bucket": "b",
        "artifacts_key_arn": "arn:aws:kms:eu-central-1:123456789012:key/1",
        "tunnels": tunnels,
        "resolver_addresses": ["10.100.0.10", "10.100.64.10"],
        **more,
    }


def written(value: Site | Host) -> Any:
    """As Ansible carries it."""
    return value.model_dump(mode="json", by_alias=True)


@cache
def module(path: str) -> ModuleType:
    """A file that Ansible or a host runs by its path."""
    return load(ROOT / "playbooks" / path)


def filters(name: str) -> Mapping[str, Callable[..., Any]]:
    """The filters of a plugin, as tasks use them."""
    found: Mapping[str, Callable[..., Any]]
    found = module(f"plugins/filter/{name}.py").FilterModule().filters()
    return found


def as_text(files: Mapping[str, Any], *, without: str = "libexec") -> str:
    """Files as one text, to be compared with what was reviewed."""
    return "\n".join(
        f"##### {each['path']} {each.get('mode', '0644')} {each.get('owner', 'root')}\n"
        + each["content"]
        for each in files["files"]
        if without not in each["path"]
    )
