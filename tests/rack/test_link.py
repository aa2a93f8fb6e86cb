"""Both ends of the link on emulated servers: the role's, and one that plays AWS."""

from __future__ import annotations

import base64
import json
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import boto3
import pytest

from landfall import process
from landfall.model.environment import ROOT
from landfall.model.site import Site
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import Cable, server
from rehearsal.virtual.rack import VirtualRack
from tests.rack.cloud_end import CloudEnd, be_patient, failover_s, put_network
from tests.rack.conftest import Boot, Played, recap
from tests.rack.site_end import (
    ASK_NAME,
    ASK_WEB,
    HERE,
    MEANS,
    NAME,
    NEIGHBOUR,
    NEIGHBOUR_UP,
    RESOLVER,
    THERE,
)

pytestmark = [pytest.mark.rack, pytest.mark.timeout(1200)]

BIN = Path(sys.executable).parent
KEY = "CanaryCanaryCanaryCanary.0123456"
SECRET = "s2svpn!vpn-0123456789abcdef0-abcdef"
ARN = f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{SECRET}"
CLOUD = (IPv4Address("192.0.2.10"), IPv4Address("192.0.2.11"))
MANAGEMENT = "10.0.2.15"
FAILOVER_GOAL_S = 35.0

SITE: dict[str, Any] = {
    "name": "racked",
    "networks": {"management": "10.0.2.0/24", "serving": "10.78.32.0/24"},
    "flows": [
        {"from": "serving", "to": "cloud", "tcp": [443], "why": "releases"},
        {"from": "management", "to": "hosts", "tcp": [22], "why": "configuration"},
    ],
    "edges": [
        {
            "name": "edge-a", "address": "198.51.100.20", "asn": 65030, "host": "lk-edge",
            "inside": ["169.254.30.0/30", "169.254.31.0/30"],
        }
    ],
    "edge_owner": "landfall",
    "link": {"cloud_asn": 64530},
}  # fmt: skip


def handoff(site: Site) -> dict[str, Any]:
    tunnels = [
        {
            "edge": "edge-a",
            "cloud_address": str(CLOUD[index]),
            "cloud_inside": str(inside[1]),
            "site_inside": str(inside[2]),
            "cloud_asn": site.link.cloud_asn,
            "preshared_key_arn": ARN,
        }
        for index, inside in enumerate(site.edges[0].inside)
    ]
    return {
        "account": "123456789012", "region": "eu-central-1", "provider": "offline",
        "vpc_cidr": "10.100.0.0/16", "bucket": "b", "tunnels": tunnels,
        "artifacts_key_arn": "arn:aws:kms:eu-central-1:123456789012:key/1",
        "resolver_addresses": [THERE],
    }  # fmt: skip


WAN = {
    "10-wan.network": """
[Match]
Name=ens9
[Network]
Address=198.51.100.20/24
LinkLocalAddressing=no
[Route]
Destination=192.0.2.0/24
Scope=link
""",
    "40-lan.netdev": "[NetDev]\nName=lan0\nKind=dummy\n",
    "40-lan.network": "[Match]\nName=lan0\n[Network]\nAddress=10.78.32.1/24\n",
}

EDGE_ADDRESSES = [
    {"network": "management", "interface": "mgmt0", "address": MANAGEMENT},
    {"network": "serving", "interface": "lan0", "address": HERE},
]


@dataclass
class Link:
    """Both ends, and the playbook that makes one of them."""

    edge: Guest
    cloud: CloudEnd
    rack: VirtualRack
    folder: Path
    secrets: str

    def play(
        self, *words: str, playbook: Path | None = None, check: bool = True, **values: Any
    ) -> Played:
        site = self.cloud.site
        told = handoff(site)
        given = {
            "landfall_site": site.model_dump(mode="json", by_alias=True),
            "landfall_handoff": told,
            "landfall_host": {"addresses": EDGE_ADDRESSES},
            "landfall_addresses": [HERE, MANAGEMENT],
            "landfall_overflow": [],
            "landfall_tunnels": [
                {"outside": each["cloud_address"], "inside": each["cloud_inside"]}
                for each in told["tunnels"]
            ],
            "landfall_environment": "racked",
            "landfall_secrets": {
                "endpoint": self.secrets, "region": "eu-central-1", "rehearsal": True,
            },
            "link_frr_reload": False,
            "link_metrics_every_s": 60,  # each time costs an emulated server seconds
            "link_dns_listen": [HERE],
            "firewall_guard_s": 120,
            **values,
        }  # fmt: skip
        inventory = self.rack.inventory([self.edge], groups=("edge_hosts",))
        (self.folder / "hosts.json").write_text(json.dumps(inventory))
        (self.folder / "given.json").write_text(json.dumps(given))
        given_by = f"@{self.folder / 'given.json'}"
        played: list[str | Path] = [playbook or ROOT / "playbooks/link.yml", *words]
        done = process.run(
            [BIN / "ansible-playbook", "-i", self.folder / "hosts.json", "-e", given_by, *played],
            cwd=ROOT,
            env={"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            check=False,
        )
        output = done.stdout + done.stderr
        with (self.folder / "play.log").open("a") as log:
            log.write(output)
        assert not check or done.returncode == 0, output[-6000:]
        return Played(done.returncode, output, recap(output))

    def close(self) -> Played:
        """Play the role `firewall` on the edge, with what `site.yml` gives it."""
        (self.folder / "playbooks").mkdir()
        (self.folder / "templates").symlink_to(ROOT / "templates")
        playbook = self.folder / "playbooks/firewall.json"
        role = {"name": "Close the edge", "ansible.builtin.import_role": {"name": "firewall"}}
        shared = [str(ROOT / "playbooks/vars/site.yml")]
        playbook.write_text(
            json.dumps([{"hosts": "edge_hosts", "vars_files": shared, "tasks": [role]}])
        )
        return self.play(playbook=playbook)

    def neighbour(self, script: str, word: str | int) -> str:
        """What a program says that another server of the site runs; "" where it fails."""
        command = f"ip netns exec site python3 -c '{script}' {word}"
        return self.edge.run(f"{command} 2>/dev/null; true", timeout_s=60).strip()

    def state(self) -> Any:
        return json.loads(self.edge.run("/usr/local/libexec/landfall/link state"))

    def up(self) -> bool:
        """Whether both tunnels carry BGP and the first is used."""
        state = self.state()
        sessions = [each["session"] for each in state["tunnels"].values()]
        return bool(state["via"] == "cloud1") and sessions == ["Established"] * 2

    def put(self, key: str) -> None:
        client = boto3.client(
            "secretsmanager", endpoint_url=self.secrets, region_name="eu-central-1",
            aws_access_key_id="test", aws_secret_access_key="test",
        )  # fmt: skip
        try:
            client.put_secret_value(SecretId=SECRET, SecretString=key)
        except client.exceptions.ResourceNotFoundException:
            client.create_secret(Name=SECRET, SecretString=key)

    def ping(self, options: str = "", *, count: int = 3) -> int:
        command = f"ping -n -i 0.3 -W 2 -c {count} -I {HERE} {options} {THERE}"
        found = re.search(r"(\d+) received", self.edge.run(f"{command}; true"))
        return int(found[1]) if found else 0


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("secrets")
    with socket.create_server(("127.0.0.1", 0)) as trial:
        port = trial.getsockname()[1]
    record = folder / "moto.json"
    server: list[str | Path] = [BIN / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    process.spawn(server, name="moto", record=record, log=folder / "moto.log")

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    assert process.wait_until(listens, timeout_s=30)
    yield f"http://127.0.0.1:{port}"
    process.stop(record)


@pytest.fixture(scope="module")
def link(
    boot: Boot, rack: VirtualRack, secrets: str, tmp_path_factory: pytest.TempPathFactory
) -> Link:
    site = Site.model_validate(SITE)
    aws = boot.clone(server("lk-aws", number=9, cable=Cable.WAN))
    cloud = CloudEnd(guest=aws, site=site, addresses=CLOUD)
    cloud.configure(KEY)
    edge = boot.clone(server("lk-edge", number=8, cable=Cable.WAN))
    be_patient(edge)
    put_network(edge, WAN)
    made = Link(edge, cloud, rack, tmp_path_factory.mktemp("link"), secrets)
    made.put(KEY)
    return made


def test_check_mode_before_the_first_run_changes_nothing(link: Link) -> None:
    look = "ls -R /etc /usr/local /run/landfall-link 2>/dev/null | sha256sum"
    before = link.edge.run(look)
    played = link.play("--check", "--diff")
    assert played.total("changed") == 2  # the credential and the files
    assert link.edge.run(look) == before
    assert "proposals = aes256gcm16-prfsha384-ecp384" in played.output


def test_the_edge_is_closed_before_there_are_tunnels(link: Link) -> None:
    """So that every session of the link has to pass the rules; none lives on from before."""
    link.close()
    listed = link.edge.run("nft list chain inet landfall input")
    assert "policy drop" in listed
    assert all(
        str(each) in link.edge.run("nft list set inet landfall tunnel_ends") for each in CLOUD
    )


def test_the_first_run_brings_both_tunnels_up(link: Link) -> None:
    played = link.play("--diff", "-vvv")
    assert "edge-a-1 and edge-a-2: up" in played.output
    assert process.wait_until(link.up, timeout_s=60, interval_s=2)
    state = link.state()["tunnels"]["edge-a-1"]
    assert state["proposal"] == "AES_GCM_16/256/PRF_HMAC_SHA2_384/ECP_384"
    assert state["prefixes"] == 1  # the VPC, and not what else was announced
    assert link.ping() == 3


def test_only_the_site_is_announced_and_the_cloud_prefers_the_first_tunnel(link: Link) -> None:
    told = json.loads(link.cloud.guest.run("vtysh -c 'show bgp ipv4 unicast json'"))["routes"]
    paths = told.pop("10.78.32.0/24")
    assert set(told) == {"10.0.2.0/24", "10.100.0.0/16", "172.31.0.0/16"}
    ways = {path["peerId"]: path["path"].split() for path in paths}
    assert {peer: len(way) for peer, way in ways.items()} == {"169.254.30.2": 1, "169.254.31.2": 2}
    assert "xfrm1" in link.cloud.guest.run(f"ip route get {HERE}")


def test_packets_of_the_promised_size_pass_and_larger_ones_do_not(link: Link) -> None:
    assert link.ping(f"-M do -s {1446 - 28}") == 3
    assert link.ping(f"-M do -s {1447 - 28}") == 0


def test_a_second_run_changes_nothing(link: Link) -> None:
    assert link.play().total("changed") == 0


def test_the_key_is_nowhere_in_the_clear(link: Link) -> None:
    coded = base64.b64encode(KEY.encode()).decode()
    logged = (link.folder / "play.log").read_text()
    assert not [each for each in (KEY, coded) if each in logged]
    places = "/etc /var /opt /root /home /tmp /usr/local"
    for each in (KEY, coded):
        assert link.edge.run(f"grep -rlF '{each}' {places} 2>/dev/null; true", timeout_s=120) == ""
        assert link.edge.run(f"journalctl --no-pager | grep -cF '{each}'; true").strip() == "0"
    # The search finds what is there: the one place is in memory, and root's alone.
    assert coded in link.edge.run("cat /run/landfall-link/keys.conf")
    assert link.edge.run("stat -c '%a %U' /run/landfall-link/keys.conf") == "600 root\n"
    assert link.edge.run("findmnt -no FSTYPE -T /run/landfall-link") == "tmpfs\n"


def test_the_site_asks_the_cloud_for_names_and_crosses_by_flows_alone(link: Link) -> None:
    link.cloud.guest.run(
        f"cat > /run/resolver.py <<'END'\n{RESOLVER}END\n"
        "systemd-run -q --unit=resolver -p StandardOutput=file:/run/asked python3 /run/resolver.py"
    )
    link.edge.run(NEIGHBOUR_UP)
    try:
        assert link.neighbour(ASK_NAME, THERE) == MEANS  # itself
        assert link.neighbour(ASK_NAME, HERE) == MEANS  # the edge's forwarder
        assert link.neighbour(ASK_WEB, 443) == NEIGHBOUR
        assert link.neighbour(ASK_WEB, 8443) == ""
        assert MEANS in link.edge.run(f"resolvectl --legend=no query {NAME}")
    finally:
        link.edge.run("ip netns delete site")
    # What the edge asks for itself comes from the site, to which the cloud has a way.
    assert set(link.cloud.guest.run("cat /run/asked").split()) == {NEIGHBOUR, HERE}


def test_what_no_flow_names_does_not_cross(link: Link) -> None:
    """The cloud asks a port of the site's: dropped, and counted."""
    # From the cloud's own address: the management card's is the same on every emulated server.
    script = f"import socket; socket.create_connection(('{HERE}', 22), 10, ('{THERE}', 0))"
    link.cloud.guest.run(f'python3 -c "{script}"; true')
    ours, roles = "inet landfall_link arriving", "inet landfall dropped_in_cloud"
    listed = link.edge.run(f"nft list chain {ours}; nft list counter {roles}")
    link_s, firewall_s = re.findall(r"packets (\d+) bytes \d+(?: drop|\n\t})", listed)
    assert int(link_s) + int(firewall_s) > 0


def test_the_other_tunnel_takes_over_within_the_hold_time(link: Link) -> None:
    try:
        silence = failover_s(link.edge, link.cloud, target=THERE, source=HERE)
    finally:
        link.cloud.mend()
    print(f"longest silence {silence:.1f} s")
    assert 1 < silence < FAILOVER_GOAL_S
    assert process.wait_until(link.up, timeout_s=120, interval_s=2)


def test_with_both_down_the_site_knows_and_nothing_leaves_in_the_clear(link: Link) -> None:
    link.cloud.cut(1, 2)
    try:
        gone = process.wait_until(lambda: link.state()["via"] == "", timeout_s=90, interval_s=2)
        assert gone
        told = link.edge.run(f"ip route get {THERE} from {HERE} 2>&1; true")
        assert "unreachable" in told or "No route" in told
        link.edge.run("systemctl start landfall-link-state.service")
        metrics = link.edge.run("cat /var/lib/prometheus/node-exporter/landfall_link.prom")
        assert "landfall_link_route 0" in metrics
        # Longer than charon would try by itself without keyingtries = 0.
        link.edge.run("sleep 150", timeout_s=240)
    finally:
        link.cloud.mend()
    assert process.wait_until(link.up, timeout_s=180, interval_s=3)


def test_a_wrong_key_is_told(link: Link) -> None:
    link.put("another-key-that-AWS-does-not-have")
    try:
        link.play(check=False)
        link.edge.run("swanctl --terminate --ike edge-a-1 --timeout 5; true")
        link.edge.run("swanctl --terminate --ike edge-a-2 --timeout 5; true")
        played = link.play(check=False, link_wait_s=30)
        assert played.returncode != 0
        assert "the two ends have different keys" in played.output
        assert ARN in played.output
    finally:
        link.put(KEY)
    link.play(link_wait_s=120)
    assert process.wait_until(link.up, timeout_s=60, interval_s=2)


def test_a_rebooted_edge_comes_back_by_itself(link: Link) -> None:
    link.edge.reboot()
    assert process.wait_until(link.up, timeout_s=120, interval_s=3)
    assert link.ping() == 3
    assert link.edge.run("nft list tables").split("\n")[:-1] == [
        "table inet landfall",
        "table inet landfall_link",
    ]
