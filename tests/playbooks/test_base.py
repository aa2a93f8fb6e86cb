"""The role base on a booted host: who logs in, the clock, packages, updates, names, logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from landfall import process
from rehearsal.rack import Rack
from tests.playbooks.one_host import OneHost, booted

pytestmark = pytest.mark.host

UPDATES = """
set -e
cd /root; mkdir -p made; rm -f made/*
for name in nvidia-utils-580 linux-image-6.1 harmless; do for version in 1 2; do
    mkdir -p p/DEBIAN
    printf "Package: $name\\nVersion: $version\\nArchitecture: all\\nMaintainer: t <t@t>\\n%s\\n" \
        "Description: test" > p/DEBIAN/control
    dpkg-deb --build p made/$name.$version.deb >/dev/null
done; dpkg -i made/$name.1.deb >/dev/null 2>&1; rm made/$name.1.deb; done
cd made; for f in *.deb; do dpkg-deb -f $f; echo "Filename: ./$f"
    echo "Size: $(stat -c %s $f)"; echo "SHA256: $(sha256sum $f | cut -d' ' -f1)"; echo
done > Packages
printf 'Label: landfall\\nSuite: ./\\nDate: %s\\nSHA256:\\n %s %s Packages\\n' \
    "$(date -Ru)" $(sha256sum Packages | cut -d' ' -f1) $(stat -c %s Packages) > Release
echo 'deb [trusted=yes] file:/root/made ./' > /etc/apt/sources.list.d/made.list
apt-get -qq update
unattended-upgrade --dry-run --verbose --debug 2>&1
"""


@dataclass
class Based:
    host: OneHost
    rack: Rack
    keys: Path

    def key(self, name: str) -> str:
        path = self.keys / name
        if not path.exists():
            process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path])
        return path.with_suffix(".pub").read_text().strip()

    def login(self, name: str, command: str = "id -un", *, key: str = "") -> process.Completed:
        """Log in as an operator, with that one's key or another's."""
        words = [str(word) for word in self.host.ssh_command]
        words[words.index("-i") + 1] = str(self.keys / (key or name))
        words[-1] = f"{name}@127.0.0.1"
        return process.run([*words, command], check=False)


@pytest.fixture(scope="module")
def based(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Based]:
    with booted(tmp_path_factory.mktemp("base"), net=83) as (host, rack):
        found = Based(host=host, rack=rack, keys=tmp_path_factory.mktemp("keys"))
        host.variables = {
            "base_operators": [{"name": name, "keys": [found.key(name)]} for name in ("ada", "bo")],
            "base_services": {
                "dns": ["10.83.0.1"],
                "ntp": ["10.83.0.1"],
                "packages": {"url": "http://10.83.0.1:8000/apt/", "suite": "./"},
            },
            "base_login_guard_s": 120,
            "base_update_origins_more": ["label=landfall"],
        }
        host.ssh("echo 'deb https://elsewhere.example/debian x main' > /etc/apt/sources.list")
        host.ssh("echo 'deb https://more.example/ ./' > /etc/apt/sources.list.d/more.list")
        yield found


def test_check_mode_foresees_the_first_run(based: Based) -> None:
    before = based.host.ssh("date +%s; cat /proc/uptime").split()
    based.host.truthful("base")
    after = based.host.ssh("date +%s; cat /proc/uptime").split()
    elapsed = [float(late) - float(early) for early, late in zip(before, after, strict=True)]
    assert abs(elapsed[0] - elapsed[1]) < 2  # nobody has set the clock
    assert based.host.unchanged("pgrep chronyd").returncode != 0


def test_a_site_without_services_keeps_what_an_installer_left(based: Based) -> None:
    none: dict[str, Any] = {
        "dns": [],
        "ntp": [],
        "packages": None,
        "logs": None,
        "tang": [],
        "registry": None,
    }
    shown = based.host.play("base", "--check", base_services=none)
    assert shown.changed == ["base : Write time, names, logs, limits, updates and who becomes root"]
    assert "-server 10.83.0.1 iburst" in shown.output


def test_operators_log_in_with_keys_and_become_root(based: Based) -> None:
    assert based.login("ada").stdout == "ada\n"
    assert based.login("ada", "sudo -n id -un").stdout == "root\n"
    assert based.login("ada", key="bo").returncode != 0
    assert based.login("bo", "cat /etc/shadow").returncode != 0
    answer = process.run(
        [*based.host.ssh_command[:-1], "-oPubkeyAuthentication=no", "ada@127.0.0.1", "true"],
        check=False,
    )
    assert "Permission denied (publickey)" in answer.stderr


def test_a_key_that_an_operator_adds_opens_nothing(based: Based) -> None:
    key = based.key("stranger")
    based.login("bo", f"mkdir -p .ssh; echo '{key}' > .ssh/authorized_keys; chmod -R go= .ssh")
    assert based.login("bo", key="stranger").returncode != 0


def test_an_operator_who_is_removed_loses_access_at_once(based: Based) -> None:
    based.login("bo", "systemd-run --user --unit=stay sleep 1000; nohup sleep 1000 >&- 2>&- &")
    staying = based.host.variables["base_operators"][:1]
    shown = based.host.play("base", "--check", "--diff", base_operators=staying)
    assert "-bo: ssh-ed25519" in shown.output
    based.host.play("base", base_operators=staying)
    assert based.login("bo").returncode != 0
    assert based.login("ada").returncode == 0
    assert based.host.ssh("ls /etc/ssh/authorized_keys.d") == "ada\n"
    assert based.host.ssh("ls -d /home/bo") == "/home/bo\n"  # what they did can still be told
    assert based.host.unchanged("su bo -c true").returncode != 0
    # hired again
    based.host.play("base")
    assert based.login("bo").returncode == 0


def test_a_change_that_locks_out_is_taken_back(based: Based) -> None:
    before = based.host.ssh("cat /etc/ssh/sshd_config.d/10-landfall-access.conf")
    # A lie about who configures the host: root would no longer be let in.
    done = based.host.play("base", fails=True, base_login_user="ada", base_login_guard_s=30)
    assert "could not log in again" in done.output
    assert based.host.ssh("cat /etc/ssh/sshd_config.d/10-landfall-access.conf") == before
    assert based.host.play("base").counts["changed"] == 0


def test_packages_come_from_the_site_alone(based: Based) -> None:
    found = based.host.ssh("apt-get indextargets --format '$(REPO_URI)' | sort -u").split()
    assert found == ["http://10.83.0.1:8000/apt/"]
    assert based.host.unchanged("ls /etc/apt/sources.list.d/more.list").returncode != 0


def test_updates_come_by_themselves_but_not_of_drivers_and_kernels(based: Based) -> None:
    said = based.host.ssh(UPDATES)
    based.host.ssh("rm /etc/apt/sources.list.d/made.list")
    [chosen] = [line for line in said.splitlines() if "Packages that will be upgraded" in line]
    assert "harmless" in chosen
    assert "nvidia" not in chosen
    assert "linux-image" not in chosen


def test_names_time_and_the_journal_are_the_sites(based: Based) -> None:
    assert "nameserver 10.83.0.1\n" in based.host.ssh("cat /etc/resolv.conf")
    assert "server 10.83.0.1 iburst" in based.host.ssh("cat /etc/chrony/chrony.conf")
    assert based.host.ssh("chronyd -p -f /etc/chrony/chrony.conf").count("server ") == 1
    assert "Archived and active journals" in based.host.ssh("journalctl --disk-usage")
    assert based.host.ssh("ls -d /var/log/journal/*").strip()
