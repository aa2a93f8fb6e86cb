"""From the site and the handoff to the files of an edge, the sheets of others, and what is wrong.

Files are rendered here and not by a task each: an edge has a dozen of them, and they are one
change. `landfall.render` has the options of Ansible's own `template` module.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from landfall.errors import InvalidInput, Problem
from landfall.filters import plain, told_plainly
from landfall.handoff import Handoff
from landfall.handoff import parse as parse_handoff
from landfall.model.crossing import crossings
from landfall.model.environment import ROOT
from landfall.model.link import Authentication, Routing
from landfall.model.parsing import parse
from landfall.model.site import Site
from landfall.model.tunnels import BGP_HOLD_S, BGP_KEEPALIVE_S, EdgePlan, plan
from landfall.render import render

PROGRAM = "/usr/local/libexec/landfall/link"
CREDENTIAL = "/etc/credstore.encrypted/landfall-link-keys"
KEYS_FILE = "/run/landfall-link/keys.conf"
SCRIPT = ROOT / "playbooks/roles/link/files/link.py"

SYSTEM, NETWORK = "/etc/systemd/system", "/etc/systemd/network"
EVERYWHERE: Mapping[str, tuple[str, ...]] = {
    "/etc/swanctl/conf.d/landfall.conf": ("swanctl/landfall.conf.j2", "0640"),
    "/etc/strongswan.d/landfall.conf": ("strongswan.d/landfall.conf.j2",),
    "/etc/landfall/link.nft": ("landfall/link.nft.j2",),
    "/etc/sysctl.d/60-landfall-link.conf": ("sysctl.d/landfall-link.conf.j2",),
    f"{SYSTEM}/landfall-link-firewall.service": (
        "systemd/system/landfall-link-firewall.service.j2",
    ),
    f"{SYSTEM}/landfall-link-state.service": ("systemd/system/landfall-link-state.service.j2",),
    f"{SYSTEM}/landfall-link-state.timer": ("systemd/system/landfall-link-state.timer.j2",),
    f"{SYSTEM}/strongswan.service.d/landfall.conf": ("systemd/system/strongswan-landfall.conf.j2",),
}
"""Files of every edge: path, template, mode."""

WITH_KEYS = {
    f"{SYSTEM}/landfall-link-keys.service": ("systemd/system/landfall-link-keys.service.j2",)
}
WITH_BGP = {
    "/etc/frr/daemons": ("frr/daemons.j2", "0640", "frr"),
    "/etc/frr/frr.conf": ("frr/frr.conf.j2", "0640", "frr"),
}
WITH_STATIC = {
    f"{SYSTEM}/landfall-link-routes.service": ("systemd/system/landfall-link-routes.service.j2",)
}
WITH_NAMES = {
    "/etc/systemd/resolved.conf.d/landfall-link.conf": (
        "systemd/resolved.conf.d/landfall-link.conf.j2",
    )
}
ONLY = [
    f"{NETWORK}/60-landfall-*",
    f"{SYSTEM}/landfall-link-*",
    "/etc/systemd/resolved.conf.d/landfall-link.conf",
]
"""Where nothing but the files above may stand."""


def read(site: Any, handoff: Any) -> tuple[Site, Handoff]:
    """Both, parsed again from what Ansible carries."""
    parsed = parse(Site, plain(site), source="landfall_site", root="site")
    if not handoff:
        message = "there is none yet; landfall up or landfall handoff writes it"
        raise InvalidInput("landfall_handoff", [Problem(path="", message=message)])
    return parsed, parse_handoff({"handoff": plain(handoff)}, source="landfall_handoff")


def edges_of(site: Any, handoff: Any, **options: Any) -> tuple[EdgePlan, ...]:
    """Every edge of the site, as it is to be configured."""
    parsed, told = read(site, handoff)
    return plan(parsed, told.tunnels, vpc=told.vpc_cidr, **options)


def edge_of(
    site: Any, handoff: Any, host: str, *, local: str = "", peers: Sequence[str] = ()
) -> EdgePlan:
    """The edge that the inventory's `host` is.

    Raises:
        InvalidInput: it is none, or the link cannot be configured.
    """
    found = edges_of(
        site,
        handoff,
        local=IPv4Address(local) if local else None,
        peers=[IPv4Address(each) for each in peers],
    )
    for edge in found:
        if edge.host == host:
            return edge
    named = ", ".join(f"{edge.name} is {edge.host}" for edge in found)
    message = f"no edge has the host {host}; {named}"
    raise InvalidInput("landfall_site", [Problem(path="site.edges", message=message)])


def link_edge(
    site: Any, handoff: Any, host: str, local: str = "", peers: Sequence[str] = ()
) -> dict[str, Any]:
    """The edge of a host as plain values, for a task to look at."""
    plain = json.dumps(asdict(edge_of(site, handoff, host, local=local, peers=peers)), default=str)
    return dict(json.loads(plain))


def link_files(site: Any, handoff: Any, host: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The files of an edge, as `landfall_files` takes them.

    `options` are the role's variables without their prefix.
    """
    parsed, told = read(site, handoff)
    edge = edge_of(site, handoff, host, local=options["local_address"], peers=options["peers"])
    resolvers = told.resolver_addresses if options["dns"] else ()
    values = {
        **options,
        "edge": edge,
        "interfaces": ", ".join(f'"{each.interface}"' for each in edge.tunnels),
        "crossings": crossings(
            parsed,
            hosts=[IPv4Address(each) for each in options["hosts"]],
            resolvers=resolvers,
        ),
        "resolvers": resolvers,
        "domains": options["domains"] or [f"{told.region}.amazonaws.com", "compute.internal"],
        "dpd_timeout_s": parsed.link.dpd_timeout_s,
        "keepalive_s": BGP_KEEPALIVE_S,
        "hold_s": BGP_HOLD_S,
        "credential": CREDENTIAL,
        "keys_file": KEYS_FILE,
        "program": PROGRAM,
    }
    files = [
        _file(path, *how, values=values)
        for path, how in _wanted(edge, names=bool(resolvers)).items()
    ]
    files += [*_interfaces(edge, values)]
    files.append({"path": PROGRAM, "content": SCRIPT.read_text(), "mode": "0755"})
    config = _config(edge, [each["path"] for each in files], names=bool(resolvers))
    text = json.dumps(config, indent=2, default=str) + "\n"
    files.append({"path": "/etc/landfall/link.json", "content": text})
    return {"files": files, "only": ONLY}


def _wanted(edge: EdgePlan, *, names: bool) -> dict[str, tuple[str, ...]]:
    """Path, template, mode and owner of each file that there is once."""
    found = dict(EVERYWHERE)
    found |= WITH_KEYS if edge.authentication is Authentication.PRESHARED_KEY else {}
    found |= WITH_BGP if edge.routing is Routing.BGP else WITH_STATIC
    return found | (WITH_NAMES if names else {})


def _file(
    path: str, template: str, mode: str = "0644", owner: str = "", *, values: Mapping[str, object]
) -> dict[str, str]:
    owned = {"owner": owner, "group": owner} if owner else {}
    return {"path": path, "content": render(template, values), "mode": mode, **owned}


def _interfaces(edge: EdgePlan, values: Mapping[str, object]) -> Iterator[dict[str, str]]:
    for tunnel in edge.tunnels:
        for kind in ("netdev", "network"):
            template = f"systemd/network/landfall-cloud.{kind}.j2"
            path = f"{NETWORK}/60-landfall-{tunnel.interface}.{kind}"
            yield _file(path, template, values={**values, "tunnel": tunnel})


def _config(edge: EdgePlan, files: Sequence[str], *, names: bool) -> dict[str, Any]:
    """What the edge's own program knows. `units` run from the start of the host on."""
    bgp, keys = edge.routing is Routing.BGP, edge.authentication is Authentication.PRESHARED_KEY
    return {
        "routing": edge.routing,
        "accepted": edge.accepted,
        "peers": edge.peers,
        "tunnels": [
            {
                "name": tunnel.name,
                "interface": tunnel.interface,
                "cloud_inside": tunnel.cloud_inside,
                "metric": tunnel.metric,
            }
            for tunnel in edge.tunnels
        ],
        "units": [
            *(["landfall-link-keys.service"] if keys else []),
            "landfall-link-firewall.service",
            "strongswan.service",
            "frr.service" if bgp else "landfall-link-routes.service",
            *(["systemd-resolved.service"] if names else []),
            "landfall-link-state.timer",
        ],
        "files": [*files, CREDENTIAL, "/etc/landfall/link.json"],
    }


def link_sheets(site: Any, handoff: Any, environment: str) -> list[dict[str, str]]:
    """A page for each edge that others configure: every parameter, and no secret."""
    parsed, told = read(site, handoff)
    return [
        {
            "edge": edge.name,
            "content": render(
                "link/sheet.md.j2",
                {
                    "environment": environment,
                    "site": parsed,
                    "link": parsed.link,
                    "edge": edge,
                    "told": told,
                    "lines": [each for each in parsed.link.connections if each.edge == edge.name],
                    "hold_s": BGP_HOLD_S,
                    "keepalive_s": BGP_KEEPALIVE_S,
                },
            ),
        }
        for edge in edges_of(site, handoff)
    ]


def link_peers(
    site: Any, variables: Mapping[str, Any], edges: Sequence[str], name: str
) -> list[str]:
    """Addresses at which the edge `name` meets the site's other edges.

    `variables` are those of every host, `edges` the names of those that are edges. Two edges meet
    in the last of the site's networks in which both stand: the first ones are for management. A
    host that is no edge meets none.
    """
    found = []
    if name not in edges:
        return []
    places: dict[str, dict[str, str]] = {}
    for edge in sorted({*edges}):
        described = variables[edge].get("landfall_host") or {"addresses": []}
        places[edge] = {each["network"]: each["address"] for each in described["addresses"]}
    for edge in [each for each in places if each != name]:
        common = [
            each for each in site["networks"] if each in places[edge] and each in places[name]
        ]
        found += [str(places[edge][common[-1]])] if common else []
    return found


def link_source(site: Any, addresses: Sequence[Mapping[str, Any]]) -> str:
    """The address from which an edge with these asks the cloud itself; "" where it has none.

    It is the one in the last of the site's networks, as for `link_peers`.
    """
    places = {each["network"]: str(each["address"]) for each in addresses}
    return ([places[each] for each in site["networks"] if each in places] or [""])[-1]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        every = (link_edge, link_files, link_peers, link_sheets, link_source)
        return {each.__name__: told_plainly(each) for each in every}
