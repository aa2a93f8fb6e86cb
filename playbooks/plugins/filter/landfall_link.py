"""From the site and the handoff to the files of an edge, the sheets of others, and what is wrong.

Files are rendered here and not by a task each: an edge has a dozen of them, and they are one
change. `landfall.render` has the options of Ansible's own `template` module.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from ansible.errors import AnsibleFilterError

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from landfall.errors import InvalidInput, LandfallError, Problem
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

Value = TypeVar("Value")


def told_plainly(function: Callable[..., Value]) -> Callable[..., Value]:
    """`function`, whose complaints are shown as they are and not as a traceback."""

    def wrapped(*args: Any, **options: Any) -> Value:
        try:
            return function(*args, **options)
        except LandfallError as error:
            raise AnsibleFilterError(str(error)) from error

    return wrapped


def plain(value: Any) -> Any:
    """`value` without Ansible's lazy containers, which pydantic cannot look into."""
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, str) else value


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
            resolvers=bool(resolvers),
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


def link_keys(edge: Mapping[str, Any]) -> list[str]:
    """The secrets to be read for an edge, each once."""
    return list(dict.fromkeys(each["key"] for each in edge["tunnels"] if each["key"]))


def link_secrets(edge: Mapping[str, Any], texts: Sequence[str]) -> str:
    """The keys of an edge's tunnels as swanctl includes them. `texts` are in `link_keys`' order."""
    read = dict(zip(link_keys(edge), texts, strict=True))
    lines = ["secrets {"]
    for tunnel in edge["tunnels"]:
        key = preshared_key(read[tunnel["key"]], tunnel)
        coded = base64.b64encode(key.encode()).decode()
        lines += [
            f"    ike-{tunnel['name']} {{",
            f"        id-1 = {edge['address']}",
            f"        id-2 = {tunnel['cloud_address']}",
            f"        secret = 0s{coded}",
            "    }",
        ]
    return "\n".join([*lines, "}", ""])


def preshared_key(text: str, tunnel: Mapping[str, Any]) -> str:
    """One tunnel's key in what the secrets manager holds: a key for both, or one for each.

    Where it is JSON, a tunnel's entry is known by its outside address or its number.

    Raises:
        InvalidInput: there is no such entry; names the entries, never their values.
    """
    try:
        written = json.loads(text)
    except ValueError:
        return text
    entries = dict(_entries(written))
    wanted = (str(tunnel["cloud_address"]), f"{tunnel['number']}")
    for mark in wanted:
        found = [value for name, value in entries.items() if _names(name, mark)]
        if len(found) == 1:
            return found[0]
    message = f"no entry for {' or '.join(wanted)}; it has {', '.join(entries) or 'none'}"
    where = f"the secret of {tunnel['name']}"
    raise InvalidInput(where, [Problem(path="", message=message)])


def _entries(written: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a secret, under the names that lead to it."""
    if isinstance(written, Mapping):
        for name, value in written.items():
            yield from _entries(value, f"{path}/{name}")
    elif isinstance(written, list):
        for index, value in enumerate(written, start=1):
            yield from _entries(value, f"{path}/{index}")
    elif isinstance(written, str):
        yield path, written


def _names(path: str, mark: str) -> bool:
    """Whether an entry's path speaks of a tunnel: its address, or a word with its number."""
    words = path.strip("/").split("/")
    if "." in mark:
        return mark in words
    return any(word.rstrip("0123456789") + mark == word for word in words)


def link_problems(state: Mapping[str, Any], edge: Mapping[str, Any]) -> list[str]:
    """What is wrong with an edge's tunnels now, each with the next step; empty where nothing is."""
    found: list[str] = []
    for tunnel in edge["tunnels"]:
        now = state["tunnels"].get(tunnel["name"], {})
        found += [f"{tunnel['name']}: {each}" for each in _tunnel_problems(now, tunnel, edge)]
    return found


def _tunnel_problems(
    now: Mapping[str, Any], tunnel: Mapping[str, Any], edge: Mapping[str, Any]
) -> Iterator[str]:
    if not now.get("child"):
        yield _why_down(now, tunnel, edge)
        return
    if now.get("nat") and edge["local"] == edge["address"]:
        yield (
            f"there is a NAT on the way to {tunnel['cloud_address']}, and packets of {edge['mtu']} "
            "bytes do not fit; set link_local_address to the address that the edge sends from"
        )
    if edge["routing"] == "bgp" and now.get("session") != "Established":
        yield (
            f"the tunnel is up, BGP with {tunnel['cloud_inside']} is "
            f"{now.get('session') or 'not configured'}; vtysh -c 'show bgp neighbors' says why"
        )
    elif edge["routing"] == "bgp" and not now.get("prefixes"):
        yield f"the cloud announces nothing that {edge['accepted']} contains"


def _why_down(now: Mapping[str, Any], tunnel: Mapping[str, Any], edge: Mapping[str, Any]) -> str:
    ends = f"{edge['local']} and {tunnel['cloud_address']}"
    if now.get("refused"):
        return (
            f"the two ends have different keys; {tunnel['key']} is what AWS uses, "
            "run playbooks/link.yml to read it again"
        )
    if now.get("no_proposal"):
        return (
            f"the cloud refuses {edge['crypto']['ike_proposal']}; "
            "bring the stack up, so that both ends are made from the same site.link"
        )
    if now.get("ike") == "ESTABLISHED":
        return f"known to each other, but nothing is encrypted between {ends}"
    return f"no answer between {ends}; UDP 500 and 4500 and protocol 50 must pass"


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


def link_findings(probe: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What a host cannot do over the link, of what it must; each with what it found."""
    found = [
        f"{address}: TCP port 53 does not answer ({why})"
        for address, why in probe["unreachable"].items()
    ]
    mtu = probe["mtu"]
    if mtu is not None and mtu < wanted["mtu"]:
        found.append(f"packets of {wanted['mtu']} bytes do not pass; the largest is {mtu}")
    for address, mss in probe["mss"].items():
        if mss > wanted["mss"]:
            found.append(f"{address}: segments of {mss} bytes are agreed; at most {wanted['mss']}")
    vpc = IPv4Network(wanted["vpc"])
    for name, answers in probe["names"].items():
        outside = [each for each in answers if IPv4Address(each) not in vpc]
        if outside or not answers:
            what = ", ".join(outside) or "nothing"
            found.append(f"{name}: the cloud's name servers answer {what}, not an address of {vpc}")
    return found


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        every = (
            link_edge, link_files, link_keys, link_secrets, link_problems, link_sheets,
            link_findings,
        )  # fmt: skip
        return {each.__name__: told_plainly(each) for each in every}
