#!/usr/bin/python3
"""What an edge does for the link by itself: tell its state, keep static routes, apply files.

    link state             the state of every tunnel, as JSON
    link metrics FILE      the same for Prometheus, written whole or not at all
    link routes            static routes through tunnels that answer, until stopped
    link apply [--check]   put into effect what was written since it was last done

Runs on the host with the system's Python and nothing else. Tunnels are told in
/etc/landfall/link.json, which holds no secret.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

CONFIG = Path("/etc/landfall/link.json")
KEPT = Path("/var/lib/landfall/link")
APPLIED, SEEN = KEPT / "applied.json", KEPT / "seen.json"
FRR_RELOAD = Path("/usr/lib/frr/frr-reload.py")

LOG_WINDOW = "-15min"
REFUSED = re.compile(r"AUTHENTICATION_FAILED|AUTH_FAILED|MAC mismatched|tried \d+ shared keys?")
NO_PROPOSAL = re.compile(r"NO_PROPOSAL_CHOSEN")
HEALTH_EVERY_S, HEALTH_FAILURES = 3.0, 3
"""A static route goes after three unanswered pings: about ten seconds."""
INITIATE_TIMEOUT_S = 2

Ask = Callable[[Sequence[str]], str]


def ask(argv: Sequence[str]) -> str:
    """The output of a program; "" where it fails or is not there."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def parse_raw(text: str) -> list[dict[str, Any]]:
    """The messages of `swanctl --raw`: `name {key=value list=[a b] section {...}}`."""
    tokens = re.findall(r"[{}\[\]]|[^\s{}\[\]]+", text)
    position = 0

    def section() -> dict[str, Any]:
        nonlocal position
        found: dict[str, Any] = {}
        while position < len(tokens) and tokens[position] != "}":
            word = tokens[position]
            position += 1
            if word.endswith("=") and tokens[position : position + 1] == ["["]:
                end = tokens.index("]", position)
                found[word[:-1]] = tokens[position + 1 : end]
                position = end + 1
            elif tokens[position : position + 1] == ["{"]:
                position += 1
                found[word] = section()
                position += 1
            elif "=" in word:
                key, _, value = word.partition("=")
                found[key] = value
        return found

    messages = []
    while position < len(tokens):
        if tokens[position] == "{":
            position += 1
            messages.append(section())
        position += 1
    return messages


def associations(raw: str) -> dict[str, dict[str, Any]]:
    """By tunnel: whether its IKE and its CHILD security association are up, and how."""
    found: dict[str, dict[str, Any]] = {}
    for message in parse_raw(raw):
        for name, ike in message.items():
            children = ike.get("child-sas", {}).values() if isinstance(ike, dict) else ()
            mine = found.setdefault(name, {"ike": "", "child": False, "nat": False})
            if not isinstance(ike, dict):
                continue
            up = [each for each in children if each.get("state") in ("INSTALLED", "REKEYED")]
            established = ike.get("state") == "ESTABLISHED"
            if established or not mine["ike"]:
                mine["ike"] = ike.get("state", "")
                mine["proposal"] = "/".join(
                    ike.get(each, "")
                    for each in ("encr-alg", "encr-keysize", "prf-alg", "dh-group")
                )
            mine["child"] = mine["child"] or bool(up)
            mine["nat"] = mine["nat"] or any(each.get("encap") == "yes" for each in up)
    return found


def sessions(summary: str) -> dict[str, dict[str, Any]]:
    """By neighbour: the BGP session, how many routes it brings, since how many seconds."""
    try:
        peers = json.loads(summary or "{}").get("peers", {})
    except ValueError:
        return {}
    return {
        address: {
            "session": peer.get("state", ""),
            "prefixes": int(peer.get("pfxRcd", 0)),
            "since_s": int(peer.get("peerUptimeMsec", 0)) // 1000,
        }
        for address, peer in peers.items()
    }


def complaints(journal: str) -> dict[str, dict[str, int]]:
    """By tunnel: how often its key, and how often its proposals were refused, in the log."""
    found: dict[str, dict[str, int]] = {}
    for line in journal.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        message, tunnel = entry.get("MESSAGE", ""), entry.get("IKE_SA_NAME", "")
        if not isinstance(message, str) or not tunnel:
            continue
        mine = found.setdefault(tunnel, {"refused": 0, "no_proposal": 0})
        mine["refused"] += bool(REFUSED.search(message))
        mine["no_proposal"] += bool(NO_PROPOSAL.search(message))
    return found


def used_interface(routes: str) -> str:
    """The interface through which the cloud is reached now; "" where it is not."""
    try:
        found = [each for each in json.loads(routes or "[]") if each.get("type") != "unreachable"]
    except ValueError:
        return ""
    found.sort(key=lambda each: int(each.get("metric", 0)))
    return str(found[0].get("dev", "")) if found else ""


def read_state(config: Mapping[str, Any], ask: Ask = ask) -> dict[str, Any]:
    """What is known about every tunnel now."""
    sas = associations(ask(["swanctl", "--list-sas", "--raw"]))
    bgp: dict[str, dict[str, Any]] = {}
    if config["routing"] == "bgp":
        bgp = sessions(ask(["vtysh", "-c", "show bgp ipv4 unicast summary json"]))
    journal = ["journalctl", "-u", "strongswan", "-o", "json", "--since", LOG_WINDOW, "--no-pager"]
    fields = "--output-fields=MESSAGE,IKE_SA_NAME"
    told = complaints(ask([*journal, fields]))
    tunnels = {}
    for each in config["tunnels"]:
        name = each["name"]
        state: dict[str, Any] = {"ike": "", "child": False, "nat": False} | sas.get(name, {})
        state |= told.get(name, {"refused": 0, "no_proposal": 0})
        if config["routing"] == "bgp":
            none = {"session": "", "prefixes": 0, "since_s": 0}
            state |= bgp.get(each["cloud_inside"], none)
        tunnels[name] = state
    via = used_interface(ask(["ip", "-j", "route", "show", config["accepted"]]))
    return {"tunnels": tunnels, "via": via}


def metrics(config: Mapping[str, Any], state: Mapping[str, Any], since: Mapping[str, Any]) -> str:
    """The state in Prometheus' text format. `since` are the times of each tunnel's last change."""
    interfaces = [each["interface"] for each in config["tunnels"]]
    lines = []
    for name, tunnel in state["tunnels"].items():
        values = {
            "tunnel_up": int(tunnel["child"]),
            "nat": int(tunnel["nat"]),
            "refused_total": since[name].get("refused", 0),
            "since_seconds": since[name]["at"],
        }
        if config["routing"] == "bgp":
            values["bgp_up"] = int(tunnel["session"] == "Established")
            values["prefixes"] = tunnel["prefixes"]
        lines += [f'landfall_link_{key}{{tunnel="{name}"}} {each}' for key, each in values.items()]
    reached = state["via"] != "" and (state["via"] in interfaces or bool(config["peers"]))
    lines += [
        f"landfall_link_route {int(reached)}",
        f"landfall_link_read_seconds {time.time():.0f}",
    ]
    kinds = sorted({line.split("{")[0].split(" ")[0] for line in lines})
    order = sorted(lines)
    return "".join(
        f"# TYPE {kind} {'counter' if kind.endswith('_total') else 'gauge'}\n"
        + "".join(f"{line}\n" for line in order if re.split(r"[{ ]", line)[0] == kind)
        for kind in kinds
    )


def remember(
    state: Mapping[str, Any], before: Mapping[str, Any], now: float
) -> dict[str, dict[str, Any]]:
    """When each tunnel changed last, and how many refusals there were in all."""
    found = {}
    for name, tunnel in state["tunnels"].items():
        old = before.get(name, {})
        at = old.get("at", now) if old.get("up") == tunnel["child"] else now
        # The log is read over a window: only what is more than last time is new.
        new = max(0, tunnel["refused"] - old.get("window", 0))
        found[name] = {
            "up": tunnel["child"],
            "at": round(at),
            "window": tunnel["refused"],
            "refused": old.get("refused", 0) + new,
        }
    return found


def write(path: Path, text: str) -> None:
    """Write `path` whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.chmod(0o644)
    part.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """The object in `path`; empty where there is none."""
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def tell_metrics(config: Mapping[str, Any], target: Path) -> None:
    """Write the metrics, and begin again with a tunnel that nobody tries to bring up."""
    state = read_state(config)
    since = remember(state, read_json(SEEN), time.time())
    write(SEEN, json.dumps(since))
    write(target, metrics(config, state, since))
    if config["routing"] == "bgp" and not any(
        each["session"] for each in state["tunnels"].values()
    ):
        ask(["vtysh", "-b"])  # FRR was started in a hurry and has not read its file; else no change
    for name, tunnel in state["tunnels"].items():
        if not tunnel["ike"]:
            # A refused key ends charon's own attempts; once it is right, somebody must begin.
            ask(["swanctl", "--initiate", "--child", name, "--timeout", str(INITIATE_TIMEOUT_S)])


def keep_routes(config: Mapping[str, Any]) -> None:
    """Route the cloud's network through each tunnel that answers; the best metric wins."""
    failures = dict.fromkeys([each["name"] for each in config["tunnels"]], HEALTH_FAILURES)
    while True:
        for each in config["tunnels"]:
            out = ["-I", each["interface"], "-c", "1", "-W", "1", "-n", each["cloud_inside"]]
            if ask(["ping", *out]):
                failures[each["name"]] = 0
                verb = "replace"
            else:
                failures[each["name"]] += 1
                verb = "del" if failures[each["name"]] >= HEALTH_FAILURES else ""
            if verb:
                where = ["dev", each["interface"], "metric", str(each["metric"])]
                ask(["ip", "route", verb, config["accepted"], *where])
        time.sleep(HEALTH_EVERY_S)


def digests(paths: Sequence[str]) -> dict[str, str]:
    """The digest of each file that is there."""
    return {
        path: hashlib.sha256(Path(path).read_bytes()).hexdigest()
        for path in paths
        if os.path.exists(path)
    }


STEPS: tuple[tuple[tuple[str, ...], list[str]], ...] = (
    (("/etc/systemd/system/",), ["systemctl", "daemon-reload"]),
    ((), ["systemctl", "--quiet", "enable", "UNITS"]),
    (("/etc/systemd/network/",), ["networkctl", "reload"]),
    (
        ("/etc/sysctl.d/", "/etc/systemd/network/"),
        ["sysctl", "-q", "-p", "/etc/sysctl.d/60-landfall-link.conf"],
    ),
    (("link.nft", "link-firewall.service"), ["systemctl", "restart", "landfall-link-firewall"]),
    (("credstore.encrypted", "link-keys.service"), ["systemctl", "restart", "landfall-link-keys"]),
    (("/strongswan.d/", "strongswan.service.d"), ["systemctl", "restart", "strongswan"]),
    (("/etc/frr/",), ["systemctl", "FRR", "frr"]),
    (("resolved.conf.d",), ["systemctl", "restart", "systemd-resolved"]),
    (("link.json", "libexec"), ["systemctl", "restart", "landfall-link-routes"]),
    ((), ["systemctl", "start", "UNITS"]),
    (("/etc/swanctl/", "credstore.encrypted"), ["swanctl", "--load-all", "--noprompt"]),
)
"""Parts of paths, and what puts a file with such a path into effect, in order. No parts: always."""


def steps(changed: set[str], units: Sequence[str]) -> Iterator[list[str]]:
    """What puts changed files into effect. Nothing where nothing changed."""
    reload = FRR_RELOAD.exists() and not any("frr/daemons" in path for path in changed)
    words = {"UNITS": units, "FRR": ["reload-or-restart" if reload else "restart"]}
    for parts, command in STEPS if changed else ():
        unit = f"{command[-1]}.service"
        if command[1] == "restart" and unit not in units:
            continue  # one of a link of another kind, whose file is gone
        if not parts or any(part in path for part in parts for path in changed):
            yield [each for word in command for each in words.get(word, [word])]


def apply(config: Mapping[str, Any], *, check: bool) -> int:
    """Do what is to be done; an interrupted run is caught up with, because digests come last."""
    now, before = digests(config["files"]), read_json(APPLIED)
    changed = {path for path in {*now, *before} if now.get(path) != before.get(path)}
    todo = [*steps(changed, config["units"])]
    if not check:
        for step in todo:
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                print(f"{' '.join(step)}: {(done.stderr or done.stdout).strip()}", file=sys.stderr)
                return 1
        write(APPLIED, json.dumps(now))
    print(json.dumps({"changed": sorted(changed), "steps": [" ".join(step) for step in todo]}))
    return 0


def main(words: Sequence[str]) -> int:
    """Do what the first word says."""
    config = json.loads(CONFIG.read_text())
    match [*words]:
        case ["state"]:
            print(json.dumps(read_state(config), indent=2))
        case ["metrics", target]:
            tell_metrics(config, Path(target))
        case ["routes"]:
            keep_routes(config)
        case ["apply", *options]:
            return apply(config, check=options == ["--check"])
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
