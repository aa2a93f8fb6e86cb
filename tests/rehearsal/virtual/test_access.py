"""Keys and identity: what a server is told, and how Ansible finds it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from landfall import process
from rehearsal.virtual.access import Access, credential, inventory


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Access:
    made = Access(folder=tmp_path_factory.mktemp("ssh"))
    made.make()
    return made


def test_keys_are_made_once(access: Access) -> None:
    before = {path.name: path.read_bytes() for path in access.folder.iterdir()}
    access.make()
    assert {path.name: path.read_bytes() for path in access.folder.iterdir()} == before
    assert access.key.stat().st_mode & 0o077 == 0


def test_a_server_becomes_what_its_identity_says(access: Access, tmp_path: Path) -> None:
    key = bytes(range(256))
    script = access.identity("srv-1", packages_url="http://10.0.2.100/apt/", packages_key=key)
    for folder in ("/root", "/etc"):
        script = script.replace(folder, f"{tmp_path}{folder}")
    script = script.replace("hostname -F", "true")
    process.run(["sh"], stdin=script)
    etc = tmp_path / "etc"
    assert (etc / "hostname").read_text() == "srv-1\n"
    assert (etc / "ssh/ssh_host_ed25519_key").read_text() == access.host_key.read_text()
    assert (etc / "ssh/ssh_host_ed25519_key").stat().st_mode & 0o777 == 0o600
    authorized = (tmp_path / "root/.ssh/authorized_keys").read_text()
    assert authorized == access.key.with_suffix(".pub").read_text()
    assert (etc / "apt/keyrings/landfall.gpg").read_bytes() == key
    listed = (etc / "apt/sources.list.d/landfall.list").read_text()
    assert listed.endswith("] http://10.0.2.100/apt/ ./\n")


def test_a_credential_is_what_systemd_reads() -> None:
    name, _, value = credential("rack.identity", "set -e\n").partition("=")
    assert name == "io.systemd.credential.binary:rack.identity"
    assert base64.b64decode(value) == b"set -e\n"


def test_the_pinned_key_holds_for_every_port(access: Access) -> None:
    for port in (2222, 40123):
        find = ["ssh-keygen", "-F", f"[127.0.0.1]:{port}", "-f", str(access.known_hosts)]
        assert "ssh-ed25519" in process.run(find).stdout


def test_an_inventory_names_address_port_key_and_groups(access: Access) -> None:
    made = inventory(access, {"a": 1, "b": 2}, groups=("gpu_hosts", "edges"))["all"]
    assert made["hosts"]["b"] == {"ansible_host": "127.0.0.1", "ansible_port": 2}
    assert made["children"]["edges"]["hosts"].keys() == {"a", "b"}
    assert made["vars"]["ansible_ssh_private_key_file"] == str(access.key)
    assert "StrictHostKeyChecking=yes" in made["vars"]["ansible_ssh_common_args"]
