"""The role `link` without a host: its filters, its program, its files read by real programs."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from landfall import process
from landfall.model.environment import ROOT
from tests.playbooks import links

FILTERS = {
    **links.filters("landfall_link"),
    **links.filters("landfall_link_keys"),
    **links.filters("landfall_link_findings"),
}
PROGRAM = links.module("roles/link/files/link.py")
PROBE = links.module("plugins/modules/landfall_link_probe.py")
RECORDED = Path(__file__).parent / "recorded"

SITE = links.site()
EDGE = FILTERS["link_edge"](links.written(SITE), links.handoff(SITE), "edge-1")
CONFIG = {
    "routing": "bgp",
    "accepted": "10.100.0.0/16",
    "peers": [],
    "units": ["strongswan.service"],
    "files": [],
    "tunnels": [
        {"name": "edge-a-1", "interface": "cloud1", "cloud_inside": "169.254.30.1", "metric": 100},
        {"name": "edge-a-2", "interface": "cloud2", "cloud_inside": "169.254.31.1", "metric": 101},
    ],
}


def files(site: Any = SITE, host: str = "edge-1", **options: Any) -> dict[str, str]:
    made = FILTERS["link_files"](
        links.written(site), links.handoff(site), host, {**links.OPTIONS, **options}
    )
    return {each["path"]: each["content"] for each in made["files"]}


def test_every_file_is_looked_at_when_changes_are_put_into_effect() -> None:
    made = files()
    config = json.loads(made["/etc/landfall/link.json"])
    assert {*made} - {*config["files"]} == set()


def test_a_host_that_is_no_edge_is_told_which_are() -> None:
    with pytest.raises(AnsibleFilterError, match="no edge has the host gpu-1; edge-a is edge-1"):
        FILTERS["link_edge"](links.written(SITE), links.handoff(SITE), "gpu-1")


def test_without_a_handoff_the_next_step_is_told() -> None:
    with pytest.raises(AnsibleFilterError, match="landfall up or landfall handoff"):
        FILTERS["link_edge"](links.written(SITE), {}, "edge-1")


def test_edges_exchange_what_the_cloud_tells_them_and_nothing_else() -> None:
    text = files(peers=["10.64.48.3"])["/etc/frr/frr.conf"]
    assert " neighbor 10.64.48.3 remote-as 65030\n" in text
    assert "  neighbor 10.64.48.3 prefix-list CLOUD out\n" in text
    assert "  neighbor 10.64.48.3 next-hop-self\n" in text


def test_edges_meet_in_the_last_network_in_which_both_stand() -> None:
    def stands(**networks: str) -> dict[str, Any]:
        addresses = [{"network": name, "address": each} for name, each in networks.items()]
        return {"landfall_host": {"addresses": addresses}}

    hosts = {
        "edge-1": stands(link="10.64.48.2", management="10.64.0.2"),
        "edge-2": stands(management="10.64.0.3", link="10.64.48.3"),
        "edge-3": stands(storage="10.64.16.4"),
    }
    peers = {
        name: FILTERS["link_peers"](links.written(SITE), hosts, list(hosts), name) for name in hosts
    }
    assert peers == {"edge-1": ["10.64.48.3"], "edge-2": ["10.64.48.2"], "edge-3": []}
    assert FILTERS["link_peers"](links.written(SITE), hosts, list(hosts), "gpu-1") == []


def test_an_edge_asks_from_the_last_network_in_which_it_stands() -> None:
    addresses = [
        {"network": "link", "interface": "eno2", "address": "10.64.48.2"},
        {"network": "management", "interface": "eno1", "address": "10.64.0.2"},
    ]
    assert FILTERS["link_source"](links.written(SITE), addresses) == "10.64.48.2"
    assert FILTERS["link_source"](links.written(SITE), addresses[1:]) == "10.64.0.2"
    assert FILTERS["link_source"](links.written(SITE), []) == ""
    assert "snat" not in files(SITE, source="")["/etc/landfall/link.nft"]


def test_static_routing_has_no_bgp_and_routes_by_health() -> None:
    made = files(links.site(link={"routing": "static"}))
    assert not [path for path in made if "frr" in path]
    assert "/etc/systemd/system/landfall-link-routes.service" in made
    assert "dport 179" not in made["/etc/landfall/link.nft"]


def test_certificates_take_the_place_of_keys() -> None:
    edges = [{**each, "certificate_arn": links.CERTIFICATE} for each in links.EDGES]
    site = links.site(edges=edges, link={"authentication": "certificate"})
    made = files(
        site, certificate="edge.pem", private_key="edge.key", authorities=["root.pem", "sub.pem"]
    )
    text = made["/etc/swanctl/conf.d/landfall.conf"]
    assert text.count("auth = pubkey") == 4
    assert "cacerts = root.pem, sub.pem" in text
    assert "auth = psk" not in text
    assert not [path for path in made if "keys" in path]


# keys


TUNNEL = {"name": "edge-a-2", "cloud_address": "192.0.2.11", "number": 2}
FORMS = {
    "one key for both": "the-key",
    "by address": '{"192.0.2.10": "other", "192.0.2.11": "the-key"}',
    "by number": '{"tunnel1": "other", "tunnel2": "the-key"}',
    "by number, deeper": '{"Tunnels": {"Tunnel1": {"PreSharedKey": "other"}, '
    '"Tunnel2": {"PreSharedKey": "the-key"}}}',
    "in order": '["other", "the-key"]',
}


@pytest.mark.parametrize("form", FORMS)
def test_a_tunnels_key_is_found_in_each_form_of_secret(form: str) -> None:
    plugin = links.module("plugins/filter/landfall_link_keys.py")
    assert plugin.preshared_key(FORMS[form], TUNNEL) == "the-key"


@pytest.mark.parametrize("text", ['{"a": "canary"}', '{"tunnel2": "canary", "x2": "canary"}', "[]"])
def test_a_secret_without_the_tunnel_is_refused_and_not_shown(text: str) -> None:
    plugin = links.module("plugins/filter/landfall_link_keys.py")
    with pytest.raises(Exception, match=r"no entry for 192\.0\.2\.11 or 2") as refused:
        plugin.preshared_key(text, TUNNEL)
    assert "canary" not in str(refused.value)


@given(st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1))
def test_no_character_of_a_key_can_break_out(key: str) -> None:
    plugin = links.module("plugins/filter/landfall_link_keys.py")
    edge = {"address": "198.51.100.20", "tunnels": [{**TUNNEL, "key": "arn"}]}
    try:
        text = plugin.link_secrets(edge, [key])
    except Exception:
        return  # a key that reads as JSON is one
    [line] = [line for line in text.splitlines() if "secret = " in line]
    coded = line.partition("= 0s")[2]
    assert base64.b64decode(coded).decode() in (key, *map(str, json_values(key)))
    assert text.count("{") == text.count("}") == 2


def json_values(text: str) -> Sequence[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return [found] if isinstance(found, str) else list(found) if isinstance(found, list) else []


def test_each_secret_is_asked_for_once() -> None:
    assert FILTERS["link_keys"](EDGE) == [links.ARN.format(edge="edge-a")]


# state


def recorded(name: str) -> str:
    return (RECORDED / name).read_text()


def answer(argv: Sequence[str]) -> str:
    """What an edge with its second tunnel down says."""
    words = " ".join(argv)
    if "list-sas" in words:
        return recorded("swanctl-list-sas.txt")
    if "vtysh" in words:
        return recorded("vtysh-summary.json")
    if "journalctl" in words:
        return recorded("journal-refused.jsonl")
    route = {"type": "unicast", "dst": "10.100.0.0/16", "dev": "cloud1", "metric": 20}
    nowhere = {"type": "unreachable", "dst": "10.100.0.0/16", "metric": 4278190080}
    return json.dumps([nowhere, route])


def test_the_state_tells_each_tunnel_from_what_programs_say() -> None:
    state = PROGRAM.read_state(CONFIG, answer)
    assert state["via"] == "cloud1"
    first, second = state["tunnels"]["edge-a-1"], state["tunnels"]["edge-a-2"]
    assert (first["ike"], first["child"], first["nat"]) == ("ESTABLISHED", True, False)
    assert first["proposal"] == "AES_GCM_16/256/PRF_HMAC_SHA2_384/ECP_384"
    assert (first["session"], first["prefixes"]) == ("Established", 1)
    assert (second["child"], second["session"]) == (False, "Active")
    assert second["refused"] == 2


def test_an_edge_that_says_nothing_has_no_tunnel() -> None:
    state = PROGRAM.read_state(CONFIG, lambda _: "")
    assert state["via"] == ""
    assert not any(each["child"] for each in state["tunnels"].values())


DOWN = {"ike": "", "child": False, "nat": False, "refused": 0, "no_proposal": 0}
UP = {**DOWN, "ike": "ESTABLISHED", "child": True, "session": "Established", "prefixes": 1}
FINDINGS: dict[str, tuple[dict[str, Any], str]] = {
    "all well": (UP, ""),
    "no answer": (DOWN, "UDP 500 and 4500 and protocol 50 must pass"),
    "a wrong key": ({**DOWN, "refused": 1}, "the two ends have different keys"),
    "other ciphers": ({**DOWN, "no_proposal": 1}, "refuses aes256gcm16-prfsha384-ecp384"),
    "no child": ({**DOWN, "ike": "ESTABLISHED"}, "nothing is encrypted"),
    "a NAT": ({**UP, "nat": True}, "set link_local_address"),
    "no BGP": ({**UP, "session": "Active"}, "BGP with 169.254.31.1 is Active"),
    "no routes": ({**UP, "prefixes": 0}, "announces nothing that 10.100.0.0/16 contains"),
}


@pytest.mark.parametrize("case", FINDINGS)
def test_what_is_wrong_with_a_tunnel_is_told_with_the_next_step(case: str) -> None:
    now, message = FINDINGS[case]
    found = FILTERS["link_problems"]({"tunnels": {"edge-a-1": UP, "edge-a-2": now}}, EDGE)
    assert len(found) == (1 if message else 0)
    assert all(each.startswith("edge-a-2: ") and message in each for each in found)


def test_metrics_name_the_tunnel_and_the_time_of_its_last_change() -> None:
    state = PROGRAM.read_state(CONFIG, answer)
    since = PROGRAM.remember(state, {}, now=1000.0)
    lines = PROGRAM.metrics(CONFIG, state, since).splitlines()
    for expected in (
        'landfall_link_tunnel_up{tunnel="edge-a-1"} 1',
        'landfall_link_tunnel_up{tunnel="edge-a-2"} 0',
        'landfall_link_bgp_up{tunnel="edge-a-2"} 0',
        'landfall_link_prefixes{tunnel="edge-a-1"} 1',
        'landfall_link_since_seconds{tunnel="edge-a-1"} 1000',
        'landfall_link_refused_total{tunnel="edge-a-2"} 2',
        "landfall_link_route 1",
    ):
        assert expected in lines


def test_refusals_are_counted_once_although_the_log_is_read_again() -> None:
    state = PROGRAM.read_state(CONFIG, answer)
    once = PROGRAM.remember(state, {}, now=1000.0)
    again = PROGRAM.remember(state, once, now=1015.0)
    assert again["edge-a-2"]["refused"] == 2
    assert again["edge-a-1"]["at"] == 1000


def test_only_what_changed_is_put_into_effect() -> None:
    units = json.loads(files()["/etc/landfall/link.json"])["units"]

    def words(*changed: str) -> list[str]:
        return [" ".join(step) for step in PROGRAM.steps({*changed}, units)]

    assert words() == []
    reload_only = words("/etc/swanctl/conf.d/landfall.conf")
    assert "swanctl --load-all --noprompt" in reload_only
    assert not any("restart" in step for step in reload_only)
    assert "systemctl restart frr" in words("/etc/frr/daemons")
    assert words("/etc/landfall/link.nft")[1:2] == ["systemctl restart landfall-link-firewall"]
    assert not any("link-routes" in step for step in words("/etc/landfall/link.json"))


@given(st.dictionaries(st.from_regex(r"[a-z][a-z-]{0,8}", fullmatch=True), st.integers(0, 99)))
def test_raw_messages_are_read_as_they_are_written(values: dict[str, int]) -> None:
    text = " ".join(f"{name}={value}" for name, value in values.items())
    raw = f"list-sa event {{a {{{text} b {{{text}}} c=[x y]}}}}"
    plain = {name: str(value) for name, value in values.items()}
    assert PROGRAM.parse_raw(raw) == [{"a": {**plain, "b": plain, "c": ["x", "y"]}}]


# whether real programs can read it


@pytest.mark.services
def test_the_firewall_reads_the_rules(tmp_path: Path) -> None:
    path = tmp_path / "link.nft"
    path.write_text(files()["/etc/landfall/link.nft"])
    process.run(["unshare", "--net", "nft", "-c", "-f", path])


@pytest.mark.services
def test_frr_reads_the_routes(tmp_path: Path) -> None:
    process.which("vtysh", hint="apt-get install frr")
    path = tmp_path / "frr.conf"
    path.write_text(files(peers=["10.64.48.3"])["/etc/frr/frr.conf"])
    path.chmod(0o644)
    done = process.run(["vtysh", "--dryrun", "--inputfile", path], check=False)
    assert (done.returncode, done.stderr) == (0, "")
    path.write_text("router bgp 65030\n neighbor 169.254.30.1 remote-as cloud\n")
    assert process.run(["vtysh", "--dryrun", "--inputfile", path], check=False).returncode != 0


@pytest.mark.services
def test_prometheus_reads_the_alerts(tmp_path: Path) -> None:
    from landfall.render import render

    path = tmp_path / "link.yml"
    path.write_text(render("prometheus/rules/link.yml.j2", {}))
    process.which("promtool", hint="apt-get install prometheus")
    assert "6 rules found" in process.run(["promtool", "check", "rules", path]).stdout


@pytest.mark.services
def test_systemd_reads_the_units(tmp_path: Path) -> None:
    made = files() | files(links.site(link={"routing": "static"}))
    units = {Path(path).name: text for path, text in made.items() if "/system/landfall" in path}
    for name, text in units.items():
        program = text.replace("/usr/local/libexec/landfall/link", "/bin/true")
        (tmp_path / name).write_text(program.replace("/usr/sbin/nft", "/bin/true"))
    for name in units:
        done = process.run(["systemd-analyze", "verify", tmp_path / name], check=False)
        assert not [line for line in done.stderr.splitlines() if name in line], done.stderr


# the way to the cloud from a host


def test_findings_name_what_cannot_be_done_over_the_link() -> None:
    wanted = {"mtu": 1446, "mss": 1406, "vpc": "10.100.0.0/16"}
    probe = {
        "unreachable": {"10.100.64.10": "timed out"},
        "mtu": 1400,
        "mss": {"10.100.0.10": 1448},
        "names": {"s3.eu-central-1.amazonaws.com": ["52.219.0.1"], "other": ["10.100.1.1"]},
    }
    found = FILTERS["link_findings"](probe, wanted)
    assert [line.partition(":")[0] for line in found] == [
        "10.100.64.10",
        "packets of 1446 bytes do not pass; the largest is 1400",
        "10.100.0.10",
        "s3.eu-central-1.amazonaws.com",
    ]
    well = {"unreachable": {}, "mtu": None, "mss": {"10.100.0.10": 1394}, "names": {}}
    assert FILTERS["link_findings"](well, wanted) == []


def test_a_dns_answer_is_read_and_what_is_none_is_an_error() -> None:
    asked = PROBE.question("s3.example", 7)
    record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x64\x01\x05"
    alias = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x0c"
    message = asked[:6] + b"\x00\x02" + asked[8:] + alias + record
    assert PROBE.addresses(message) == ["10.100.1.5"]


def test_sheets_hold_no_secret_and_every_parameter() -> None:
    site = links.site(edge_owner="others")
    sheets = FILTERS["link_sheets"](links.written(site), links.handoff(site), "prod")
    assert [each["edge"] for each in sheets] == ["edge-a", "edge-b"]
    golden = ROOT / "tests/templates/link/edge-a.md.golden"
    assert sheets[0]["content"] == golden.read_text(), f"if this is right, write it to {golden}"


def test_a_line_is_told_to_the_network_team() -> None:
    line = {
        "edge": "edge-a", "location": "EqFA5", "bandwidth": "10Gbps", "vlan": 101,
        "peering": "169.254.100.0/30",
    }  # fmt: skip
    secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:macsec-a"
    macsec = {"kind": "direct_connect", "encryption": "macsec",
              "connections": [{**line, "macsec_secret_arn": secret}]}  # fmt: skip
    site = links.site(edge_owner="others", edges=links.EDGES[:1], link=macsec)
    [sheet] = FILTERS["link_sheets"](links.written(site), links.handoff(site), "prod")
    assert f"MACsec; its key is the secret `{secret}`" in sheet["content"]
    assert "| VLAN | 101 |" in sheet["content"]
    assert "## Tunnels" not in sheet["content"]
