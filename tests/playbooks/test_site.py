"""The site's playbook against a booted host: truthful, idempotent, and it keeps its secrets."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from landfall import process
from landfall.model.environment import ROOT, cache_folder
from rehearsal import packages, rootfs
from rehearsal.rack import Forward, Rack, RackHost
from tests.loopback import free_port
from tests.playbooks import redfish, stand_in

BIN = Path(sys.executable).parent
KEYS = {"clinic": "clinic-key-0123456789abcdef", "website": "website-key-0123456789abcde"}
CHAT = {"model": "tiny-lm", "messages": [{"role": "user", "content": "who is in bed nine?"}]}


@dataclass
class Site:
    """A rack with one host, its inventory, and what its playbook is given."""

    folder: Path
    rack: Rack
    gateway: str
    values: dict[str, Any]

    def play(self, *words: str, playbook: str = "site.yml", check: bool = True) -> dict[str, int]:
        """Run a playbook; Ansible's own counts of the host."""
        given = stand_in.write(self.folder / "given.json", self.values)
        ansible: list[str | Path] = [BIN / "ansible-playbook", "-i", self.folder / "inventory"]
        done = process.run(
            [*ansible, "--extra-vars", f"@{given}", ROOT / "playbooks" / playbook, *words],
            cwd=ROOT,
            env={"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            check=False,
        )
        with (self.folder / "play.log").open("a") as log:
            log.write(done.stdout + done.stderr)
        assert not check or done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        self.output = done.stdout
        recap = done.stdout.rpartition("PLAY RECAP")[2]
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", recap)}

    def ssh(self, command: str) -> str:
        return process.run([*self.rack.ssh("t-1"), command]).stdout

    def ask(self, tenant: str = "clinic", key: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or KEYS[tenant]}"}
        url = f"{self.gateway}/v1/chat/completions"
        return httpx.post(url, json=CHAT, headers=headers, timeout=5)


def write_inventory(folder: Path, rack: Rack, port: int) -> None:
    host = rack.hosts[0]
    promised = {
        "cpu": {"min_cores": 1},
        "memory_gib": {"min": 1},
        "os": {"distribution": "Debian", "release": "12"},
        "nics": [{"name": "host0", "mac": host.mac, "speed_gbps": 1, "zone": "serving"}],
        "addresses": [{"network": "management", "interface": "host0", "address": host.address}],
    }
    known = f"-o StrictHostKeyChecking=yes -o UserKnownHostsFile='{rack.known_hosts}'"
    address = {
        "ansible_host": "127.0.0.1",
        "ansible_port": port,
        "landfall_host": stand_in.host(promised),
    }
    common = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(rack.ssh_key),
        "ansible_ssh_common_args": known,
    }
    groups = {"gpu_hosts": {"hosts": {"t-1": address}}, "build_hosts": {"hosts": {"t-1": {}}}}
    inventory = folder / "inventory"
    inventory.mkdir()
    (inventory / "hosts.yml").write_text(json.dumps({"all": {"children": groups, "vars": common}}))


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A stand-in for Secrets Manager with the tenants' keys."""
    folder, port = tmp_path_factory.mktemp("secrets"), free_port()
    server: list[str | Path] = [BIN / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    record, url = folder / "moto.json", f"http://127.0.0.1:{port}"
    process.spawn(server, name="moto", record=record, log=folder / "moto.log")

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    assert process.wait_until(listens, timeout_s=20)
    for tenant, key in KEYS.items():
        client(url).create_secret(Name=f"test/{tenant}", SecretString=key)
    yield url
    process.stop(record)


def client(url: str) -> Any:
    account = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client("secretsmanager", endpoint_url=url, region_name="eu-central-1", **account)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, secrets: str) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    ssh, http = free_port(), free_port()
    host = RackHost(name="t-1", address="10.87.0.11")
    rack = Rack(
        state=folder / "rack",
        hosts=[host],
        subnet=IPv4Network("10.87.0.0/24"),
        namespace=f"landfall-test-{os.getpid()}",
        forwards=[
            Forward(port=ssh, address=host.address, target=22),
            Forward(port=http, address=host.address, target=8080),
        ],
    )
    wheels = folder / "wheelhouse"
    digest = stand_in.wheelhouse(wheels)
    try:
        rack.up(
            rootfs=rootfs.ensure(cache_folder(), print),
            repository=packages.ensure_repository(cache_folder(), print),
            wheelhouse=wheels,
        )
        write_inventory(folder, rack, ssh)
        values = stand_in.variables(
            [stand_in.engine(folder / "engines", "first", port=21001, share=100)],
            public_key=folder / "engines/signing.pub",
            wheels={"url": f"{rack.packages_url}/wheelhouse/", "digest": digest},
            secrets=secrets,
            subnet=rack.subnet,
        )
        yield Site(folder=folder, rack=rack, gateway=f"http://127.0.0.1:{http}", values=values)
    finally:
        rack.down()


pytestmark = pytest.mark.host


SERVING = ("--tags", "engine,serving,gateway")


def test_check_mode_before_the_first_run_changes_nothing(site: Site) -> None:
    """Of what holds secrets; tests/playbooks/test_check.py looks at every task."""
    before = site.ssh("ls -R /etc /opt | sha256sum")
    counts = site.play("--check", "--diff", *SERVING)
    assert counts["failed"] == 0
    assert counts["changed"] >= 8
    assert site.ssh("ls -R /etc /opt | sha256sum") == before
    assert "clinic: key" in site.output
    assert not [key for key in KEYS.values() if key in site.output]


def test_the_first_run_answers(site: Site) -> None:
    site.play("--diff", "-vvv")
    answer = site.ask().json()
    assert (answer["model"], answer["classification"]) == ("first", "restricted")
    assert site.ask("website").json()["classification"] == "public"


def test_keys_are_nowhere_in_the_clear(site: Site) -> None:
    logged = (site.folder / "play.log").read_text()
    assert not [key for key in KEYS.values() if key in logged]
    key = KEYS["clinic"]
    found = site.ssh(f"grep -rlF {key} /etc /var /opt /root /home /tmp /srv 2>/dev/null; true")
    assert found == ""
    assert site.ssh(f"journalctl --no-pager | grep -cF {key}; true").strip() == "0"
    assert site.ssh("stat -c '%a %U' /run/landfall-gateway/keys.conf").strip() == "400 root"
    assert site.ssh("findmnt -no FSTYPE -T /run/landfall-gateway").strip() == "tmpfs"
    assert "who is in bed nine" not in site.ssh("cat /var/log/nginx/*; journalctl --no-pager")


def test_the_engine_is_hardened(site: Site) -> None:
    unit = site.ssh("ls /etc/systemd/system | grep landfall-engine").strip()
    wanted = {
        "DynamicUser": "yes",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "MemoryMax": str(2 * 1024**3),
        "Type": "notify",
    }
    shown = site.ssh(f"systemctl show {unit} -p {','.join(wanted)}").split()
    assert dict(line.split("=", 1) for line in shown) == wanted
    pid = site.ssh(f"systemctl show {unit} -p MainPID --value").strip()
    status = site.ssh(f"cat /proc/{pid}/status")
    assert "CapEff:\t0000000000000000" in status
    assert "Seccomp:\t2" in status
    reach = "import socket; socket.create_connection(('10.87.0.1', 8000), 2)"
    properties = "-p IPAddressDeny=any -p IPAddressAllow=localhost"
    tried = site.ssh(f'systemd-run -q --wait --pipe {properties} python3 -c "{reach}" 2>&1; true')
    assert "not permitted" in tried or "PermissionError" in tried or "timed out" in tried


def test_a_restarted_host_answers_again_by_itself(site: Site) -> None:
    site.rack.restart("t-1")
    assert process.wait_until(lambda: answers(site), timeout_s=20)


def answers(site: Site) -> bool:
    try:
        return site.ask().status_code == 200
    except httpx.HTTPError:
        return False


def test_check_mode_foresees_a_new_key_and_limit_and_nginx_only_reloads(
    site: Site, secrets: str
) -> None:
    before = site.ssh("cat /run/nginx.pid")
    old, KEYS["clinic"] = KEYS["clinic"], "clinic-key-after-rotation-01"
    client(secrets).put_secret_value(SecretId="test/clinic", SecretString=KEYS["clinic"])
    site.values["gateway_max_body_kib"] = 128
    foreseen = site.play("--check", "--diff", "--tags", "gateway")["changed"]
    # The credential, its decryption, nginx's file, and the reload; nothing because of the restart.
    assert foreseen == 4
    assert "a key changed; its value is not shown" in site.output
    assert "+    client_max_body_size 128k;" in site.output
    assert site.ask(key=old).status_code == 200
    assert site.play("--tags", "gateway")["changed"] == foreseen
    assert site.ask().status_code == 200
    assert site.ask(key=old).status_code == 401
    assert site.ssh("cat /run/nginx.pid") == before


def test_a_corrupted_engine_is_refused_and_the_right_one_takes_over(site: Site) -> None:
    second = stand_in.engine(site.folder / "engines", "second", port=21002, share=100)
    upstream = {name: second[name] for name in ("key", "port", "share")}
    site.values["landfall_engines"] = [second]
    site.values["landfall_routes"] = [{"name": "tiny-lm", "upstreams": [upstream]}]
    model = Path(second["source"]) / "model"
    model.write_text("tampered")
    assert site.play(*SERVING, check=False)["failed"] == 1
    assert "not what was signed" in site.output
    assert site.ask().json()["model"] == "first"  # the gateway was not touched
    model.write_text("second")
    site.play(*SERVING)  # what was copied before is damaged: it is copied again
    assert site.ask().json()["model"] == "second"
    units = site.ssh("systemctl list-units 'landfall-engine-*' --all --no-legend --plain")
    assert [line.split()[0] for line in units.splitlines()] == [
        f"landfall-engine-{second['key'][:12]}.service"
    ]


def test_a_release_that_was_refused_stops_the_run_at_once(site: Site) -> None:
    site.values["landfall_refused"] = "the engine 0123 may answer up to public"
    try:
        assert site.play("--tags", "gateway", check=False)["failed"] == 1
    finally:
        site.values["landfall_refused"] = ""
    assert "may answer up to public" in site.output


def test_an_engine_is_built_on_the_host_and_brought_back(site: Site, tmp_path: Path) -> None:
    plan, source = tmp_path / "plan.json", tmp_path / "model"
    plan.write_text('{"precision": "int8"}')
    source.mkdir()
    (source / "weights").write_text("weights")
    out = tmp_path / "engine"
    site.values |= {
        "build_key": "a" * 64,
        "build_plan": str(plan),
        "build_source": str(source),
        "build_out": str(out),
    }
    build = ("--skip-tags", "install")  # the same tasks as in site.yml
    site.play("--check", *build, playbook="build.yml")
    assert not out.exists()
    site.play(*build, playbook="build.yml")
    assert (out / "model").read_text() == '{"precision": "int8"}weights'
    assert site.play(*build, playbook="build.yml")["changed"] == 0


def test_preflight_names_everything_that_is_wrong(site: Site) -> None:
    inventory = site.folder / "inventory/hosts.yml"
    written = inventory.read_text()
    hosts = json.loads(written)
    host = hosts["all"]["children"]["gpu_hosts"]["hosts"]["t-1"]["landfall_host"]
    host["cpu"]["min_cores"] = 999
    host["nics"][0]["mac"] = "02:00:00:00:00:01"
    host["disks"] = [{"serial": "S123"}]
    host["gpus"] = [{"model": "NVIDIA L40S", "count": 1}]
    inventory.write_text(json.dumps(hosts))
    try:
        assert site.play("--tags", "preflight", check=False)["failed"] == 1
    finally:
        inventory.write_text(written)
    for expected in ("cpu.min_cores", "nics.host0.mac", "S123", "gpus: promised 1, found 0"):
        assert expected in site.output


def test_firmware_and_bios_are_read_back_from_the_controller(
    site: Site, secrets: str, tmp_path: Path
) -> None:
    account = json.dumps({"username": redfish.USER, "password": redfish.PASSWORD})
    client(secrets).create_secret(Name="test/redfish", SecretString=account)
    inventory = site.folder / "inventory/hosts.yml"
    written = inventory.read_text()
    versions, attributes = {"BIOS": "1.15.2"}, {"SysProfile": "PerfPerWattOptimizedDapc"}
    with redfish.controller(tmp_path, versions=versions, attributes=attributes) as found:
        hosts = json.loads(written)
        hosts["all"]["children"]["gpu_hosts"]["hosts"]["t-1"]["landfall_host"]["firmware"] = {
            "redfish": found.address,
            "key_secret": "test/redfish",
            "ca": os.path.relpath(found.certificate, ROOT),
            "versions": {"BIOS": "1.15.2", "NIC": "22.36"},
            "attributes": {"SysProfile": "PerfOptimized"},
        }
        inventory.write_text(json.dumps(hosts))
        try:
            assert site.play("--tags", "preflight", "-vvv", check=False)["failed"] == 1
        finally:
            inventory.write_text(written)
        assert found.refused == []
    assert "firmware.attributes.SysProfile: promised PerfOptimized, found PerfPer" in site.output
    assert f"firmware.versions.NIC: {found.address} does not know it" in site.output
    assert "firmware.versions.BIOS" not in site.output
    assert redfish.PASSWORD not in site.output
