"""From a bare server to an answered request by one command, and again after the power went.

The cloud, its secrets manager and the package mirror are gone when the power comes back, and the
server's clock has forgotten the time. What it needs to unlock its disks, verify its engine and
answer is its own; names, time and container images come from the site's services, which lost their
power, too, and start after it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from landfall import process
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import bay_node, server
from rehearsal.virtual.machine import SERVICES_ADDRESS
from rehearsal.virtual.rack import PACKAGE_PORT, VirtualRack
from tests.playbooks import registry as registries
from tests.rack import checkout as checkouts
from tests.rack import disks
from tests.rack import services as site_services
from tests.rack.checkout import Checkout
from tests.rack.conftest import Boot
from tests.rack.services import IMAGES, IMAGES_PORT, TIME, Services

pytestmark = [pytest.mark.rack, pytest.mark.timeout(3600)]

HARDWARE = server("life-1", number=0x41, disk_mib=1024, tpm=True, volatile_caches=True)
ADDRESS, ROUTER, SERVING = "10.77.32.11", "10.77.32.254", "10.77.32.0/24"
RIGHT_WITHIN_S = 5
UNIT = "landfall-container-web"
WEB = ["httpd", "-f", "-p", "8090", "-h", "/www"]
KEYS = {"clinic": "clinic-key-0123456789abcdef", "website": "website-key-0123456789abcde"}

SITE: dict[str, Any] = {
    "name": "rack",
    "networks": {
        "management": "10.0.2.0/24",
        "serving": {"range": SERVING, "vlan": 132, "mtu": 9000, "gateway": ROUTER},
        "services": site_services.RANGE,
    },
    "flows": [
        {"from": "management", "to": "hosts", "tcp": [22], "why": "Ansible"},
        {"from": "serving", "to": "hosts", "tcp": [8080], "why": "requests"},
        {"from": "hosts", "to": "management", "tcp": [PACKAGE_PORT], "why": "packages and wheels"},
        {"from": "hosts", "to": "services", "udp": [123], "tcp": [IMAGES_PORT], "why": "by name"},
    ],
    "services": {
        "packages": {"url": f"http://{SERVICES_ADDRESS}:{PACKAGE_PORT}/apt/"},
        "dns": [site_services.ADDRESS],
        "ntp": [TIME],
        "registry": f"{IMAGES}:{IMAGES_PORT}",
    },
    "escrow": "escrow.pem",
    "edges": [
        {
            "name": "edge-a",
            "address": "198.51.100.10",
            "asn": 65010,
            "inside": ["169.254.10.0/30", "169.254.11.0/30"],
        }
    ],
    "link": {},
    "tenants": [
        {"name": name, "classification": level, "key_secret": f"test/{name}"}
        for name, level in (("clinic", "restricted"), ("website", "public"))
    ],
}

HOST: dict[str, Any] = {
    "cpu": {
        "model": "Intel(R) Xeon(R) Platinum 8368 CPU @ 2.40GHz",
        "sockets": 2,
        "numa_nodes": 2,
        "min_cores": 2,
    },
    "memory_gib": {"min": 2},
    "os": {"distribution": "Debian", "release": "12", "kernel": "6.1"},
    "nics": [
        {"name": "mgmt0", "mac": "52:54:00:00:00:10", "zone": "management"},
        *(
            {"name": f"data{n}", "mac": nic.mac, "speed_gbps": 25, "numa_node": 0, "mtu": 9000}
            for n, nic in enumerate(HARDWARE.nics)
        ),
    ],
    "bonds": [{"name": "bond0", "members": ["data0", "data1"], "mtu": 9000}],
    "addresses": [
        {"network": "management", "interface": "mgmt0", "address": "10.0.2.15"},
        {"network": "serving", "interface": "bond0", "address": ADDRESS},
    ],
    "disks": [
        {
            "serial": disk.serial,
            "size_gb": disk.size_mib * 2**20 / 1e9,
            "numa_node": bay_node(bay),
        }
        for bay, disk in enumerate(HARDWARE.disks)
    ],
    "array": {
        "members": [disk.serial for disk in HARDWARE.disks],
        "unlock": "tpm2",
        "argon2_memory_kib": 65536,
    },
}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[process.Daemon]:
    """A stand-in for Secrets Manager with the tenants' keys; a test may end it."""
    folder = tmp_path_factory.mktemp("secrets")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    program = Path(sys.executable).with_name("moto_server")
    record = folder / "moto.json"
    daemon = process.spawn(
        [program, "-H", "127.0.0.1", "-p", str(port)],
        name=f"http://127.0.0.1:{port}",
        record=record,
        log=folder / "moto.log",
    )

    def listens() -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", port)) == 0

    assert process.wait_until(listens, timeout_s=120)
    account = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client(
        "secretsmanager", endpoint_url=daemon.name, region_name="eu-central-1", **account
    )
    for tenant, key in KEYS.items():
        client.create_secret(Name=f"test/{tenant}", SecretString=key)
    yield daemon
    process.stop(record)


@pytest.fixture(scope="module")
def guest(boot: Boot, rack: VirtualRack) -> Guest:
    made = boot(HARDWARE)
    rack.switch.address("life", f"{ROUTER}/24", vlan=132)
    return made


@pytest.fixture(scope="module")
def services(
    rack: VirtualRack, guest: Guest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    if lacks := registries.missing():
        pytest.skip(f"cannot run here: {lacks}")
    with site_services.running(tmp_path_factory.mktemp("services"), rack, SERVING) as made:
        yield made


@pytest.fixture(scope="module")
def checkout(
    rack: VirtualRack,
    guest: Guest,
    secrets: process.Daemon,
    services: Services,
    tmp_path_factory: pytest.TempPathFactory,
) -> Checkout:
    made = checkouts.make(tmp_path_factory.mktemp("life") / "checkout", rack, secrets.name)
    disks.certificate(made.root)
    # An emulated server measures nothing that a burn-in's thresholds could judge.
    page = services.registry.push("site/web", {"www/index.html": "a page\n"}, WEB)
    made.inventory(
        {guest: HOST},
        SITE,
        {
            "network_managed": True,
            "burnin_required": False,
            # an emulated processor is busy for seconds each time
            "metrics_every_s": 300,
            "storage_watch_every_s": 300,
            "runtime_registry_ca": str(services.registry.ca),
            "runtime_containers": [
                {"name": "web", "image": "site/web", "digest": page, "network": "host"}
            ],
        },
    )
    made.release("first")
    return made


def request(key: str, *options: str, timeout_s: int = 20) -> list[str]:
    """The command that sends a prompt through the gateway, from the serving network."""
    body = {"model": "tiny-lm", "messages": [{"role": "user", "content": "hello"}]}
    return [
        *("curl", "-sS", *options, "--max-time", str(timeout_s)),
        *("-H", f"Authorization: Bearer {key}", "-d", json.dumps(body)),
        *("-H", "Content-Type: application/json", f"http://{ADDRESS}:8080/v1/chat/completions"),
    ]


STATUS = ("-o", "/dev/null", "-w", "%{http_code}\n")


def ask(rack: VirtualRack, tenant: str = "clinic") -> Any:
    """The answer to a prompt, or what curl says instead."""
    said = rack.inside(*request(KEYS[tenant], "--stderr", "-"), check=False)
    if not said.startswith("{"):
        return said
    told = json.loads(said)
    return {name: told[name] for name in ("model", "classification")}


def statuses_under_load(rack: VirtualRack) -> set[str]:
    """How the gateway answers 40 requests when as many run at once as the engine has slots."""
    each = shlex.join(request(KEYS["clinic"], *STATUS, timeout_s=60))
    return set(rack.inside("sh", "-c", f"seq 40 | xargs -P2 -I RUN {each}", check=False).split())


def knows_the_time(guest: Guest) -> bool:
    """Whether its clock follows the site's time server and is right."""
    follows = "^*" in guest.run("chronyc -n sources", check=False)
    return follows and abs(float(guest.run("date +%s")) - time.time()) < RIGHT_WITHIN_S


def serves(rack: VirtualRack) -> bool:
    found = ask(rack)
    return isinstance(found, dict) and found.get("model") == "first"


def test_one_command_brings_a_bare_server_to_serve(
    checkout: Checkout, guest: Guest, rack: VirtualRack
) -> None:
    assert guest.run("cat /proc/mdstat").count("active") == 0
    checkout.landfall("site", "dev")
    process.wait_until(lambda: serves(rack), timeout_s=60, interval_s=2)
    assert ask(rack) == {"model": "first", "classification": "restricted"}
    assert "Number of ports: 2" in guest.run("cat /proc/net/bonding/bond0")
    assert guest.run("findmnt -no SOURCE /srv/data").strip() == "/dev/mapper/data"
    assert ask(rack, "website")["classification"] == "public"


def test_a_second_run_changes_nothing_and_says_so(checkout: Checkout) -> None:
    done = checkout.landfall("site", "dev", "--json")
    assert done.json["changed"] == 0
    assert re.search(r"0 of \d+ tasks changed something", done.stderr)


def test_alone_and_without_power_it_comes_back_by_itself(
    guest: Guest, rack: VirtualRack, secrets: process.Daemon, services: Services
) -> None:
    process.stop(rack.state / "daemons/packages.json")
    os.kill(secrets.pid, 9)
    services.cut_power()
    guest.cut_power()
    began = time.monotonic()
    forgetful = dataclasses.replace(HARDWARE, clock="2023-05-01T00:00:00")
    dataclasses.replace(guest, hardware=forgetful).boot()
    assert process.wait_until(lambda: serves(rack), timeout_s=600, interval_s=2)
    print(f"answers {time.monotonic() - began:.0f} s after the power came back")
    assert guest.run("findmnt -no SOURCE /srv/data").strip() == "/dev/mapper/data"
    assert "tpm2" in guest.run("cat /etc/crypttab")
    assert ask(rack) == {"model": "first", "classification": "restricted"}
    wrong = request("wrong-key-0123456789abcdef", *STATUS)
    assert rack.inside(*wrong).strip() == "401"
    assert statuses_under_load(rack) == {"200"}


def test_the_sites_own_services_come_back_and_are_enough(
    checkout: Checkout, guest: Guest, services: Services
) -> None:
    """Time, names and images; the cloud, its secrets and the package mirror are still gone."""
    assert guest.run(f"systemctl is-active {UNIT}").strip() == "active"
    services.power_on()
    assert process.wait_until(lambda: knows_the_time(guest), timeout_s=300, interval_s=5)
    guest.run(f"systemctl stop {UNIT}; podman rmi --all --force", timeout_s=120)
    checkout.landfall("site", "dev", "--tags", "runtime")
    assert guest.run(f"systemctl is-active {UNIT}").strip() == "active"
