"""A backup is encrypted, whole and proven; a restore brings a lost controller and host back."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from landfall import process
from landfall.cli.main import app
from landfall.model.environment import ROOT
from tests.playbooks.one_host import BIN
from tests.playbooks.several_hosts import Checkout, Hosts, booted

SECRET = "recovery-key-of-t-1"


@dataclass
class Safe:
    """The escrow's key pair: the certificate lies in the checkout, the key does not."""

    certificate: Path
    key: Path


def safe(checkout: Checkout, folder: Path) -> Safe:
    made = Safe(certificate=checkout.root / "escrow.pem", key=folder / "escrow.key")
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=escrow"]
    process.run([*request, "-keyout", made.key, "-out", made.certificate])
    path = checkout.environment.site_file
    site = yaml.safe_load(path.read_text())["site"]
    path.write_text(yaml.safe_dump({"site": {**site, "escrow": "escrow.pem"}}))
    return made


def play(
    checkout: Checkout, playbook: str, given: dict[str, object], *, fails: bool = False
) -> str:
    words: list[str | Path] = [BIN / "ansible-playbook", ROOT / "playbooks" / playbook]
    if playbook == "backup.yml":
        words += ["-i", checkout.environment.inventory]
    done = process.run(
        [*words, "-e", json.dumps(given)],
        cwd=checkout.root,
        env={"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stdout[-5000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(root=tmp_path / "checkout")
    made.root.mkdir()
    made.make({"t-1": {}, "t-2": {}}, {})
    made.wheels("http://10.66.0.1:8000/wheels/", "0" * 16)
    made.environment.services_file.write_text("{}")
    made.release("first")
    escrow = made.environment.work / "escrow/t-1"
    escrow.mkdir(parents=True)
    (escrow / "recovery.cms").write_text(SECRET)
    (made.environment.keys / "signing.key").write_text("a private key")
    return made


def backup(checkout: Checkout, key: Path | None = None) -> Path:
    play(checkout, "backup.yml", {"backup_key": str(key)} if key else {})
    [archive] = sorted((checkout.environment.work / "backups").glob("*.tar.cms"))[-1:]
    return archive


def restoring(archive: Path, key: Path, root: Path) -> dict[str, object]:
    given = {"restore_archive": archive, "restore_key": key, "restore_root": root}
    return {name: str(path) for name, path in given.items()}


@pytest.mark.services
def test_what_was_lost_comes_back_to_the_byte(checkout: Checkout, tmp_path: Path) -> None:
    made = safe(checkout, tmp_path)
    archive = backup(checkout, made.key)
    content = archive.read_bytes()
    assert SECRET.encode() not in content
    assert b"MANIFEST" not in content
    assert archive.stat().st_mode & 0o777 == 0o600
    kept, target = tmp_path / archive.name, tmp_path / "rebuilt"
    shutil.move(archive, kept)
    given = restoring(kept, made.key, target)
    play(checkout, "restore.yml", given)
    names = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert ".landfall/dev/escrow/t-1/recovery.cms" in names
    assert "inventories/dev/hosts.yml" in names
    assert ".landfall/dev/keys/signing.pub" in names
    assert ".landfall/dev/keys/signing.key" not in names
    assert [name for name in names if name.endswith("engine/model")]
    for name in names:
        assert (target / name).read_bytes() == (checkout.root / name).read_bytes()
    assert "changed=0" in play(checkout, "restore.yml", given)


@pytest.mark.services
@pytest.mark.parametrize("fault", ["a flipped bit", "cut", "another key"])
def test_a_damaged_archive_restores_nothing(checkout: Checkout, tmp_path: Path, fault: str) -> None:
    made = safe(checkout, tmp_path)
    archive = backup(checkout)
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= fault == "a flipped bit"
    archive.write_bytes(content[: len(content) - (100 if fault == "cut" else 0)])
    if fault == "another key":
        made = safe(checkout, tmp_path)
    target = tmp_path / "rebuilt"
    play(checkout, "restore.yml", restoring(archive, made.key, target), fails=True)
    assert list(target.iterdir()) == []


@pytest.mark.services
def test_files_that_differ_are_kept_unless_they_are_to_be_replaced(
    checkout: Checkout, tmp_path: Path
) -> None:
    made = safe(checkout, tmp_path)
    archive = backup(checkout)
    release = checkout.environment.release_file
    wanted = release.read_text()
    release.write_text("{}\n")
    given = restoring(archive, made.key, checkout.root)
    refused = play(checkout, "restore.yml", given, fails=True)
    assert "there already, and different: releases/dev.yaml" in refused
    assert release.read_text() == "{}\n"
    play(checkout, "restore.yml", {**given, "restore_replace": True})
    assert release.read_text() == wanted


@pytest.mark.services
def test_the_command_keeps_and_restores(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = safe(checkout, tmp_path)
    monkeypatch.setattr("landfall.cli.site.find", lambda name: checkout.environment)

    def command(playbook: str, **given: object) -> int:
        words = [word for item in given.items() for word in ("--set", "{}={}".format(*item))]
        done = CliRunner().invoke(app, ["site", "dev", playbook, "--json", *words])
        assert done.exit_code == 0, done.output
        return int(json.loads(done.stdout)["changed"])

    assert command("backup", backup_key=made.key) == 1
    [archive] = (checkout.environment.work / "backups").iterdir()
    escrow = checkout.environment.work / "escrow"
    shutil.rmtree(escrow)
    given = restoring(archive, made.key, checkout.root)
    assert command("restore", **given) == 1
    assert (escrow / "t-1/recovery.cms").read_text() == SECRET
    assert command("restore", **given) == 0


@pytest.mark.services
@pytest.mark.parametrize("content", [None, "put your certificate here"])
def test_nothing_is_written_without_somebody_to_encrypt_to(
    checkout: Checkout, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        safe(checkout, tmp_path).certificate.write_text(content)
    said = play(checkout, "backup.yml", {}, fails=True)
    assert ("names no certificate" if content is None else "escrow.pem is no certificate") in said
    assert not (checkout.environment.work / "backups").exists()


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with booted(tmp_path_factory.mktemp("hosts"), ["t-1"]) as made:
        made.checkout.release("first")
        made.configure()
        yield made


@pytest.mark.host
@pytest.mark.timeout(900)
def test_a_lost_controller_and_a_lost_host_serve_again(hosts: Hosts, tmp_path: Path) -> None:
    """What cannot be restored is not part of it: the secrets manager and the mirror are there."""
    made = safe(hosts.checkout, tmp_path)
    archive = backup(hosts.checkout)
    kept = tmp_path / archive.name
    shutil.move(archive, kept)
    services = hosts.checkout.environment.services_file.read_text()
    for name in ("inventories", "releases", ".landfall"):
        shutil.rmtree(hosts.checkout.root / name)
    hosts.rebuild("t-1")
    assert hosts.model("t-1") == ""
    began = time.monotonic()
    play(hosts.checkout, "restore.yml", restoring(kept, made.key, hosts.checkout.root))
    restored = time.monotonic() - began
    hosts.checkout.environment.services_file.write_text(services)
    hosts.configure()
    took = time.monotonic() - began
    print(f"\nrestored in {restored:.0f} s, serving after {took:.0f} s", file=sys.stderr)
    assert hosts.model("t-1") == "first"
