"""What only a machine of its own shows: the kernel's settings, modules, audit, limits, reboots."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from landfall.model.environment import ROOT
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import server
from tests.rack.conftest import Boot, Playbooks, Played

pytestmark = [pytest.mark.rack, pytest.mark.timeout(3000)]

ROLES = ("base", "firewall", "hardening", "audit", "tuning")
CONTROLLER, ADDRESS = "10.0.2.2", "10.0.2.15"
VALUES: dict[str, Any] = {
    "base_login_guard_s": 120,
    "firewall_networks": {
        "management": {"range": "10.0.2.0/24"},
        "serving": {"range": "10.79.0.0/24"},
    },
    "firewall_flows": [
        {"from": "management", "to": "hosts", "tcp": [22], "why": "configuration"},
        {"from": "hosts", "to": "management", "tcp": [8000], "why": "packages"},
    ],
    "firewall_addresses": [{"network": "management", "address": ADDRESS, "interface": "mgmt0"}],
    "firewall_hosts": [ADDRESS],
    "firewall_guard_s": 120,
    "hardening_profile": "gpu_host",
    "hardening_login_guard_s": 120,
    "tuning_profile": "gpu_inference",
}


@dataclass
class Server:
    """A server, and plays of the roles that harden it."""

    guest: Guest
    playbooks: Playbooks

    def play(
        self, *roles: str, words: tuple[str, ...] = (), check: bool = True, **more: Any
    ) -> Played:
        folder = self.playbooks.folder
        (folder / "playbooks").mkdir(exist_ok=True)
        if not (folder / "templates").is_symlink():
            (folder / "templates").symlink_to(ROOT / "templates")
        tasks = [{"name": each, "ansible.builtin.import_role": {"name": each}} for each in roles]
        playbook = folder / "playbooks/roles.json"
        playbook.write_text(json.dumps([{"hosts": "all", "tasks": tasks}]))
        values = {**VALUES, **more}
        return self.playbooks.play(
            str(playbook), *words, hosts={self.guest: {}}, values=values, check=check
        )

    def says(self, command: str) -> str:
        return self.guest.run(command, timeout_s=60).strip()


@pytest.fixture(scope="module")
def hard(boot: Boot, playbooks: Playbooks) -> Server:
    return Server(boot(server("hd-1")), playbooks)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_runs_and_a_second_run_changes_nothing(hard: Server, role: str) -> None:
    assert hard.play(role).total("changed") > 0
    assert hard.play(role).total("changed") == 0


def test_settings_are_in_effect(hard: Server) -> None:
    keys = "kernel.kptr_restrict kernel.unprivileged_bpf_disabled vm.swappiness kernel.core_pattern"
    assert hard.says(f"sysctl -n {keys}").split() == ["2", "1", "10", "|/bin/false"]
    assert "[madvise]" in hard.says("cat /sys/kernel/mm/transparent_hugepage/enabled")
    assert hard.says("su -s /bin/sh -c 'dmesg | head -1' nobody 2>&1; true").count("not permitted")


def test_modules_that_are_kept_out_stay_out_and_others_come_in(hard: Server) -> None:
    for module in ("usb-storage", "sctp", "udf"):
        assert hard.says(f"modprobe {module} >/dev/null 2>&1; echo $?") != "0"
    needed = "raid10 dm-crypt bonding 8021q esp4 xfrm_interface overlay xfs nvme veth bridge"
    assert hard.says(f"modprobe -a {needed}; echo $?") == "0"


def test_no_core_file_is_left(hard: Server) -> None:
    crash = "cd /tmp; python3 -c 'import os; os.abort()'; ls /tmp/core* /var/lib/systemd/coredump"
    assert "core." not in hard.says(f"({crash}) 2>/dev/null; true")
    assert hard.says("systemd-run -q --wait --pipe sh -c 'ulimit -n; ulimit -Hc'").split() == [
        "1048576",
        "0",
    ]


def test_what_changes_is_recorded(hard: Server) -> None:
    assert "enabled 1" in hard.says("auditctl -s")
    listed = int(hard.says("auditctl -l | wc -l"))
    written = int(hard.says("grep -cE '^-[aw]' /etc/audit/rules.d/50-landfall.rules"))
    assert listed >= written
    hard.says("touch /etc/landfall/canary; rm /etc/landfall/canary; sync; sleep 1")
    assert "canary" in hard.says("ausearch --input-logs -k landfall --format raw | tail -20")


def test_rules_that_lock_out_are_taken_back(hard: Server) -> None:
    before = hard.says("nft -s list table inet landfall; cat /etc/landfall/firewall.nft")
    flows = [{"from": "serving", "to": "hosts", "tcp": [22], "why": "elsewhere"}]
    done = hard.play(
        "firewall",
        check=False,
        firewall_flows=flows,
        firewall_controllers=["10.79.0.9"],
        firewall_guard_s=40,
    )
    assert "did not let the controller in again" in done.output
    assert hard.says("nft -s list table inet landfall; cat /etc/landfall/firewall.nft") == before


def test_all_of_it_is_there_after_a_reboot(hard: Server) -> None:
    hard.guest.reboot()
    assert "dropped_in_elsewhere" in hard.says("nft list table inet landfall")
    again = hard.play(*ROLES)
    assert again.total("changed") == 0
    assert "from the next boot on: intel_iommu=on" in again.output  # the rack has no boot menu
    assert "this machine has no /sys/devices/system/cpu/cpu*/cpufreq" in again.output
    hard.says("sysctl -qw vm.swappiness=60")
    assert "vm.swappiness: 60, not 10" in hard.play("tuning", check=False).output
