"""The files of base, hardening, audit and tuning: what was reviewed is what is written."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from landfall import render
from landfall.model.environment import ROOT

GOLDEN = ROOT / "tests/templates/host_files"


def defaults(role: str) -> dict[str, Any]:
    """What a role says when nobody says otherwise."""
    found: dict[str, Any] = yaml.safe_load(
        (ROOT / f"playbooks/roles/{role}/defaults/main.yml").read_text()
    )
    return found


def internal(role: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(
        (ROOT / f"playbooks/roles/{role}/vars/main.yml").read_text()
    )
    return found


BASE = {
    **defaults("base"),
    "base_login_user": "deploy",
    "base_operators": [{"name": "ada", "keys": ["ssh-ed25519 AAAA ada"]}],
    "base_services": {"dns": ["10.64.0.53", "10.64.0.54"], "ntp": ["10.64.0.5"]},
    "base_update_origins_more": ["label=site"],
    "__base_update_origins": internal("base")["__base_of_distribution"]["Debian"]["updates"],
    "__base_source_line": "deb [signed-by=/etc/apt/keyrings/landfall.gpg] http://10.64.0.80/apt ./",
}
PROFILES = internal("hardening")
HARDENING = {
    **defaults("hardening"),
    "hardening_profile": "edge",
    "__hardening_sysctl": PROFILES["__hardening_sysctl_common"]
    | PROFILES["__hardening_sysctl_profiles"]["edge"],
    "__hardening_sysctl_optional": PROFILES["__hardening_sysctl_optional"],
}
AUDIT = {
    **defaults("audit"),
    "audit_logs": {"address": "10.64.0.9", "port": 6514, "name": "siem.site", "ca": "ca.pem"},
    "__audit_ca": "/etc/landfall/logs-ca.pem",
}
PROFILE = internal("tuning")["__tuning_profiles"]["gpu_inference"]
TUNING = {
    "tuning_profile": "gpu_inference",
    **{f"__tuning_{name}": value for name, value in PROFILE.items()},
}

KNOWN: dict[str, dict[str, Any]] = {
    "apt/apt.conf.d/52landfall": BASE,
    "apt/sources.list.d/landfall.list": BASE,
    "chrony/chrony.conf": BASE,
    "resolv.conf": BASE,
    "security/limits.d/50-landfall.conf": BASE,
    "ssh/sshd_config.d/10-landfall-access.conf": BASE,
    "sudoers.d/landfall-operators": BASE,
    "systemd/journald.conf.d/landfall.conf": BASE,
    "systemd/resolved.conf.d/landfall.conf": BASE,
    "systemd/system.conf.d/landfall.conf": BASE,
    "modprobe.d/landfall-hardening.conf": HARDENING,
    "security/limits.d/60-landfall-core.conf": HARDENING,
    "ssh/sshd_config.d/20-landfall-hardening.conf": HARDENING,
    "sysctl.d/99-zz-landfall-hardening.conf": HARDENING,
    "systemd/system.conf.d/landfall-core.conf": HARDENING,
    "tmpfiles.d/landfall-hardening.conf": HARDENING,
    "audit/auditd.conf": AUDIT,
    "audit/rules.d/50-landfall.rules": AUDIT,
    "rsyslog.conf": AUDIT,
    "default/grub.d/50-landfall-tuning.cfg": TUNING,
    "sysctl.d/70-landfall-tuning.conf": TUNING,
    "tmpfiles.d/landfall-tuning.conf": TUNING,
    "systemd/system/landfall-firewall.service": {},
}


def text(path: str, **values: Any) -> str:
    return render.render(f"etc/{path}.j2", {**KNOWN[path], **values})


@pytest.mark.parametrize("path", sorted(KNOWN))
def test_the_text_is_what_was_reviewed(path: str) -> None:
    assert text(path) == (GOLDEN / f"{path.replace('/', '_')}.golden").read_text()


def test_no_other_file_has_the_last_word_at_boot() -> None:
    [ours] = [path for path in KNOWN if path.startswith("sysctl.d/") and "hardening" in path]
    for other in ("99-protect-links.conf", "99-sysctl.conf", "70-landfall-tuning.conf"):
        assert ours > f"sysctl.d/{other}"
    assert "fs.protected_fifos = 2" in text(ours)


def test_the_user_that_configures_is_let_in_whoever_it_is() -> None:
    path = "ssh/sshd_config.d/10-landfall-access.conf"
    as_root = text(path, base_login_user="root")
    assert "PermitRootLogin prohibit-password\n" in as_root
    assert "AllowUsers root ada\n" in as_root
    assert "Match User root\n    AuthorizedKeysFile .ssh/authorized_keys\n" in as_root
    # an operator's keys are root's to write, even where that operator configures
    as_operator = text(path, base_login_user="ada")
    assert "PermitRootLogin no\nAuthorizedKeysFile /etc/ssh/authorized_keys.d/%u\n" in as_operator
    assert "Match" not in as_operator
