"""AWS's end of the VPN on an emulated server, made from what the stack gives to Pulumi.

Everything here comes from `stacks.tunnels.tunnel_options`, the arguments of the VPN connection, and
is put into strongSwan's words by this file alone, so that both ends cannot share a mistake.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, cast

from landfall import process
from landfall.model.site import Site
from rehearsal.virtual.guest import Guest
from stacks.tunnels import tunnel_options

PING_EVERY_S = 0.2

WORDS = {
    "AES256-GCM-16": "aes256gcm16",
    "AES128-GCM-16": "aes128gcm16",
    "SHA2-256": "prfsha256",
    "SHA2-384": "prfsha384",
    "SHA2-512": "prfsha512",
    "19": "ecp256",
    "20": "ecp384",
    "21": "ecp521",
}


def options(site: Site, number: int) -> dict[str, Any]:
    """One tunnel's arguments, as Pulumi gets them, without the tunnel's number in their names."""
    given = tunnel_options(number, site.edges[0].inside[number - 1], site.link, cast(Any, "logs"))
    return {name.removeprefix(f"tunnel{number}_"): value for name, value in given.items()}


def one(values: list[Any]) -> str:
    """The only value that AWS is allowed, in strongSwan's words."""
    [value] = values
    return WORDS[str(value)]


CONNECTION = """
 t{number} {{
  version = 2
  local_addrs = {cloud}
  remote_addrs = {site}
  proposals = {ike}
  rekey_time = {ike_rekey}s
  dpd_delay = 10s
  keyingtries = 0
  if_id_in = {number}
  if_id_out = {number}
  local {{
   auth = psk
   id = {cloud}
  }}
  remote {{
   auth = psk
   id = {site}
  }}
  children {{
   t{number} {{
    local_ts = 0.0.0.0/0
    remote_ts = 0.0.0.0/0
    esp_proposals = {esp}
    rekey_time = {esp_rekey}s
    replay_window = {window}
    start_action = start
    dpd_action = restart
   }}
  }}
 }}
"""

FILES = {
    "10-wan.network": """
[Match]
Name={port}
[Network]
Address={first}/24
Address={second}/24
LinkLocalAddressing=no
[Route]
Destination={far}/24
Scope=link
""",
    "40-vpc.netdev": "[NetDev]\nName=vpc0\nKind=dummy\n",
    "40-vpc.network": "[Match]\nName=vpc0\n[Network]\nAddress=10.100.0.10/16\n",
}
TUNNEL_FILES = {
    "30-xfrm{number}.netdev": """
[NetDev]
Name=xfrm{number}
Kind=xfrm
[Xfrm]
InterfaceId={number}
Independent=yes
""",
    "30-xfrm{number}.network": """
[Match]
Name=xfrm{number}
[Link]
MTUBytes={mtu}
[Network]
Address={inside}/30
LinkLocalAddressing=no
""",
}


def put_network(guest: Guest, files: Mapping[str, str]) -> None:
    """Write systemd-networkd's files of a server, and let it read them."""
    commands = [
        f"cat > /etc/systemd/network/{name} <<'END'\n{text.lstrip()}END"
        for name, text in files.items()
    ]
    guest.run("\n".join([*commands, "networkctl reload"]), timeout_s=120)


def be_patient(guest: Guest) -> None:
    """Give services of an emulated server time: with others beside it, one second becomes ten."""
    patience = "[Service]\nTimeoutStartSec=600\nWatchdogSec=0\n"
    commands = [
        f"mkdir -p /etc/systemd/system/{unit}.service.d\n"
        f"cat > /etc/systemd/system/{unit}.service.d/slow.conf <<'END'\n{patience}END"
        for unit in ("frr", "strongswan")
    ]
    # A restored server has another machine id than the one under which its journal was begun.
    commands += ["systemctl daemon-reload", "systemctl restart systemd-journald"]
    guest.run("\n".join(commands), timeout_s=180)


@dataclass(frozen=True, kw_only=True)
class CloudEnd:
    """The server that plays AWS. `addresses` are its two outside addresses."""

    guest: Guest
    site: Site
    addresses: tuple[IPv4Address, IPv4Address]
    port: str = "ens9"

    def configure(self, key: str) -> None:
        """Bring it up; it tries to begin, as AWS does with `startup_action: start`."""
        be_patient(self.guest)
        put_network(self.guest, self._network())
        secrets = "".join(
            f" ike-{n} {{\n  id-1 = {address}\n  secret = {key}\n }}\n"
            for n, address in enumerate(self.addresses, start=1)
        )
        connections = "".join(self._connection(number) for number in (1, 2))
        text = f"connections {{{connections}}}\nsecrets {{\n{secrets}}}\n"
        self.guest.run(
            f"cat > /etc/swanctl/conf.d/aws.conf <<'END'\n{text}END\n"
            "printf 'charon-systemd {\\n install_routes = no\\n}\\n' > /etc/strongswan.d/aws.conf\n"
            "sed -i 's/^bgpd=no/bgpd=yes/' /etc/frr/daemons\n"
            "echo 'watchfrr_options=\"--restart-timeout 300\"' >> /etc/frr/daemons\n"
            f"cat > /etc/frr/frr.conf <<'END'\n{self._routing()}END\n"
            "sysctl -qw net.ipv4.ip_forward=1\n"
            "systemctl restart strongswan && systemctl restart frr\n",
            timeout_s=600,
        )

    def cut(self, *numbers: int) -> None:
        """Let nothing through to or from these tunnels' ends, as if the path were gone."""
        rules = "".join(
            f"add rule inet cut {chain} ip {side} {self.addresses[number - 1]} drop\n"
            for number in numbers
            for chain, side in (("input", "daddr"), ("output", "saddr"))
        )
        chains = "".join(
            f"add chain inet cut {name} {{ type filter hook {name} priority -300; }}\n"
            for name in ("input", "output")
        )
        self.guest.run(f"nft -f - <<'END'\nadd table inet cut\n{chains}{rules}END\n")

    def mend(self) -> None:
        """Let everything through again."""
        self.guest.run("nft delete table inet cut 2>/dev/null; true")

    def _connection(self, number: int) -> str:
        given = options(self.site, number)
        early = given["rekey_margin_time_seconds"]
        return CONNECTION.format(
            number=number,
            cloud=self.addresses[number - 1],
            site=self.site.edges[0].address,
            ike="-".join(
                one(given[f"phase1_{part}"])
                for part in ("encryption_algorithms", "integrity_algorithms", "dh_group_numbers")
            ),
            esp="-".join(
                one(given[f"phase2_{part}"])
                for part in ("encryption_algorithms", "dh_group_numbers")
            ),
            ike_rekey=given["phase1_lifetime_seconds"] - early,
            esp_rekey=given["phase2_lifetime_seconds"] - early,
            window=given["replay_window_size"],
        )

    def _network(self) -> dict[str, str]:
        edge = self.site.edges[0]
        far = str(edge.address).rpartition(".")[0] + ".0"
        values: dict[str, object] = {
            "port": self.port, "first": self.addresses[0], "second": self.addresses[1], "far": far,
            "mtu": self.site.link.mtu,
        }  # fmt: skip
        files = {name: text.format(**values) for name, text in FILES.items()}
        for number, inside in enumerate(edge.inside, start=1):
            mine = {**values, "number": number, "inside": inside[1]}
            files |= {k.format(**mine): text.format(**mine) for k, text in TUNNEL_FILES.items()}
        return files

    def _routing(self) -> str:
        edge, lines = self.site.edges[0], []
        for number, inside in enumerate(edge.inside, start=1):
            lines += [
                f" neighbor {inside[2]} remote-as {edge.asn}",
                f" neighbor {inside[2]} update-source xfrm{number}",
                f" neighbor {inside[2]} timers connect 10",
            ]
        return "\n".join(
            [
                f"router bgp {self.site.link.cloud_asn}",
                " no bgp ebgp-requires-policy",
                " timers bgp 10 30",
                *lines,
                " address-family ipv4 unicast",
                "  network 10.100.0.0/16",
                "  network 172.31.0.0/16",  # somebody else's, which the site must not take
                "  maximum-paths 1",
                " exit-address-family",
                "ip route 172.31.0.0/16 blackhole",
                "",
            ]
        )


def longest_silence_s(
    guest: Guest, target: str, source: str, during: Callable[[], object]
) -> float:
    """The longest time without an answered ping while `during` runs, in seconds.

    Pings go from `source`, the site's side of the edge, to `target` in the cloud.
    """
    options = f"-n -D -i {PING_EVERY_S} -W 1 -I {source}"
    guest.run(
        f"setsid ping {options} {target} > /run/pings 2>&1 < /dev/null & echo $! > /run/pinger"
    )
    time.sleep(2)
    try:
        during()
    finally:
        guest.run("kill -INT $(cat /run/pinger); sleep 0.5")
    said = guest.run("cat /run/pings")
    times = [float(each) for each in re.findall(r"^\[([\d.]+)\].* time=", said, re.MULTILINE)]
    return max((after - before for before, after in itertools.pairwise(times)), default=0)


def failover_s(edge: Guest, cloud: CloudEnd, *, target: str, source: str) -> float:
    """How long pings go unanswered when the tunnel that carries them is cut, in seconds."""

    def cut() -> None:
        cloud.cut(1)
        process.wait_until(
            lambda: "cloud2" in edge.run(f"ip route get {target} from {source}; true"),
            timeout_s=60,
            interval_s=1,
        )
        time.sleep(3)

    return longest_silence_s(edge, target, source, cut)
