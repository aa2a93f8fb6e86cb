"""Both ends of the link on emulated servers: the role's edge, and the one that plays AWS."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import boto3

from landfall import process
from landfall.model.environment import ROOT
from landfall.model.site import Site
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import Cable, server
from rehearsal.virtual.rack import VirtualRack
from tests.rack.cloud_end import CloudEnd, be_patient, put_network
from tests.rack.conftest import Boot, Played, play
from tests.rack.site_end import HERE, THERE

BIN = Path(sys.executable).parent
KEY = "CanaryCanaryCanaryCanary.0123456"
SECRET = "s2svpn!vpn-0123456789abcdef0-abcdef"
ARN = f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{SECRET}"
CLOUD = (IPv4Address("192.0.2.10"), IPv4Address("192.0.2.11"))
MANAGEMENT = "10.0.2.15"

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
        hosts = self.folder / "hosts.json"
        hosts.write_text(json.dumps(inventory))
        path = playbook or ROOT / "playbooks/link.yml"
        return play(self.folder, hosts, given, path, *words, check=check)

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


@contextmanager
def secrets_manager(folder: Path) -> Iterator[str]:
    """A stand-in for AWS's on loopback; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as trial:
        port = trial.getsockname()[1]
    record = folder / "moto.json"
    server: list[str | Path] = [BIN / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    process.spawn(server, name="moto", record=record, log=folder / "moto.log")

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        assert process.wait_until(listens, timeout_s=30)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stop(record)


def both_ends(boot: Boot, rack: VirtualRack, secrets: str, folder: Path) -> Link:
    """Both servers, booted; the cloud's end is configured and tries to begin."""
    site = Site.model_validate(SITE)
    aws = boot.clone(server("lk-aws", number=9, cable=Cable.WAN))
    cloud = CloudEnd(guest=aws, site=site, addresses=CLOUD)
    cloud.configure(KEY)
    edge = boot.clone(server("lk-edge", number=8, cable=Cable.WAN))
    be_patient(edge)
    put_network(edge, WAN)
    made = Link(edge, cloud, rack, folder, secrets)
    made.put(KEY)
    return made
