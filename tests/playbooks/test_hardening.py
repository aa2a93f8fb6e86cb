"""The role hardening: what it closes on a booted host, and what it must leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from landfall import process
from landfall.model.environment import ROOT
from tests.playbooks.one_host import OneHost, booted

ROLE = ROOT / "playbooks/roles/hardening"
DEFAULTS: dict[str, Any] = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
VARS: dict[str, Any] = yaml.safe_load((ROLE / "vars/main.yml").read_text())
PROFILES: dict[str, dict[str, Any]] = VARS["__hardening_sysctl_profiles"]

NEEDED = {
    "disks": "raid0 raid1 raid10 md-mod dm-mod dm-crypt nvme nvme-core xfs ext4 loop vfat",
    "network": "bonding 8021q bridge stp llc veth tun dummy virtio-net mlx5-core ice",
    "link": "esp4 esp6 xfrm-interface xfrm-user af-key tunnel4 wireguard ip-vti",
    "firewall": "nf-tables nft-ct nft-fib nft-limit nft-log nf-conntrack nft-chain-nat",
    "containers": "overlay fuse br-netfilter ip-tables iptable-nat squashfs",
    "gpu": "nvidia nvidia-uvm nvidia-modeset nvidia-drm nvidia-peermem i2c-core drm vfio-pci",
    "machine": "ipmi-si ipmi-devintf tpm-crb tpm-tis usbhid xhci-pci ehci-pci acpi-power-meter",
}


@pytest.mark.parametrize("purpose", NEEDED)
def test_no_module_is_kept_out_that_a_host_needs(purpose: str) -> None:
    blocked = {name.replace("_", "-") for name in DEFAULTS["hardening_modules"]}
    assert blocked & set(NEEDED[purpose].split()) == set()


def test_the_profiles_know_what_they_are_for() -> None:
    strict, loose = PROFILES["gpu_host"], PROFILES["edge"]
    assert strict["net.ipv4.conf.all.rp_filter"] == 1
    assert loose["net.ipv4.conf.all.rp_filter"] == 2
    assert loose["net.ipv4.ip_forward"] == 1
    # podman switches it on for its bridges; a second run must not switch it off
    assert "net.ipv4.ip_forward" not in strict


def test_every_value_is_explained() -> None:
    page = (ROOT / "docs/hardening.md").read_text()
    keys = {key for each in PROFILES.values() for key in each} | set(
        VARS["__hardening_sysctl_common"]
    )
    wanted = {key.replace(".default.", ".all.") for key in keys} | set(
        DEFAULTS["hardening_modules"]
    )
    assert [each for each in sorted(wanted) if f"`{each}`" not in page] == []


@pytest.fixture(scope="module")
def hardened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHost]:
    with booted(tmp_path_factory.mktemp("hardening"), net=82) as (host, _):
        host.variables = {"hardening_profile": "gpu_host", "hardening_login_guard_s": 120}
        yield host


def offered(host: OneHost, options: list[str]) -> process.Completed:
    """Log in with one algorithm that is asked for."""
    return process.run(
        [*host.ssh_command[:-1], *options, host.ssh_command[-1], "true"], check=False
    )


@pytest.mark.host
def test_check_mode_foresees_the_first_run(hardened: OneHost) -> None:
    hardened.ssh("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.all.send_redirects=1")
    hardened.truthful("hardening")
    assert hardened.ssh("sysctl -n net.ipv4.conf.all.rp_filter").strip() == "1"
    assert hardened.ssh("sysctl -n net.ipv4.conf.all.send_redirects").strip() == "0"


@pytest.mark.host
@pytest.mark.parametrize(
    "options",
    [
        ["-oCiphers=aes128-ctr"],
        ["-oCiphers=aes256-ctr", "-oMACs=hmac-sha1"],  # other ciphers bring their own
        ["-oKexAlgorithms=ecdh-sha2-nistp256"],
    ],
)
def test_weak_algorithms_are_not_spoken(hardened: OneHost, options: list[str]) -> None:
    assert "no matching" in offered(hardened, options).stderr


@pytest.mark.host
def test_a_service_leaves_no_core(hardened: OneHost) -> None:
    limit = "systemd-run -q --wait --pipe sh -c 'ulimit -Hc'"
    assert hardened.ssh(limit).strip() == "0"
    hardened.ssh("chmod 755 /etc/cron.d 2>/dev/null; systemd-tmpfiles --create; true")
    assert hardened.ssh("stat -c %a /root").strip() == "700"


@pytest.mark.host
def test_what_is_not_in_effect_is_found(hardened: OneHost) -> None:
    hardened.ssh("sysctl -qw net.ipv4.conf.all.accept_redirects=1")
    assert "net.ipv4.conf.all.accept_redirects = 0" in hardened.play("hardening", fails=True).output
    hardened.ssh("sysctl -qw net.ipv4.conf.all.accept_redirects=0")
    edge = hardened.play("hardening", hardening_profile="edge")
    assert edge.counts["changed"] == 1
    assert hardened.ssh("sysctl -n net.ipv4.ip_forward net.ipv4.conf.all.rp_filter") == "1\n2\n"
