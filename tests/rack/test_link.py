"""Both ends of the link on emulated servers: the role's, and one that plays AWS."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator

import pytest

from landfall import process
from rehearsal.virtual.rack import VirtualRack
from tests.rack.cloud_end import failover_s
from tests.rack.conftest import Boot
from tests.rack.edge_end import ARN, CLOUD, KEY, Link, both_ends, secrets_manager
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

FAILOVER_GOAL_S = 35.0


@pytest.fixture(scope="module")
def link(boot: Boot, rack: VirtualRack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Link]:
    folder = tmp_path_factory.mktemp("link")
    with secrets_manager(folder) as secrets:
        yield both_ends(boot, rack, secrets, folder)


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
        forwarded = link.neighbour(ASK_NAME, HERE)
        assert forwarded == MEANS, link.edge.run("resolvectl --no-pager; ip -br address")
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
