"""What hosts must agree on with their site, with one another and with other sites."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from landfall.errors import InvalidInput
from landfall.model import fleet
from landfall.model.environment import Environment

CASES = tomllib.loads(Path(__file__).with_name("fleet.toml").read_text())["case"]

HOST: dict[str, Any] = {
    "cpu": {"min_cores": 2},
    "memory_gib": {"min": 2},
    "os": {"distribution": "Debian", "release": "12"},
    "nics": [
        {"name": f"eth{n}", "mac": f"02:00:00:00:00:0{n}", "speed_gbps": 25, "mtu": 9000}
        for n in range(3)
    ],
    "bonds": [{"name": "bond0", "members": ["eth0", "eth1"], "mtu": 9000}],
    "addresses": [
        {"network": "serving", "interface": "bond0", "address": "10.88.32.21"},
        {"network": "management", "interface": "eth2", "address": "10.88.0.21"},
    ],
    "disks": [{"serial": f"D{n}", "size_gb": 960} for n in range(5)],
    "array": {"members": ["D0", "D1", "D2", "D3"], "spares": ["D4"]},
}


def write(environment: Environment, name: str, host: dict[str, Any]) -> None:
    path = environment.inventory / "host_vars" / f"{name}.yml"
    path.write_text(yaml.safe_dump({"host": host}))


def changed(host: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of `host` with the field at `path` set to `value`."""
    copied: Any = yaml.safe_load(yaml.safe_dump(host))
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    inner = copied
    for part in way:
        inner = inner[part]
    inner[last] = value
    return dict(copied)


def told(environment: Environment) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        fleet.load(environment)
    return [str(each) for each in caught.value.problems]


@pytest.fixture
def dev(dev: Environment) -> Environment:
    """The environment dev, of a site whose disks have an escrow."""
    (dev.root / "escrow.pem").write_text("-----BEGIN CERTIFICATE-----")
    site = yaml.safe_load(dev.site_file.read_text())
    site["site"]["escrow"] = "escrow.pem"
    dev.site_file.write_text(yaml.safe_dump(site))
    return dev


def test_hosts_that_fit_are_loaded(dev: Environment) -> None:
    write(dev, "one", HOST)
    assert fleet.load(dev)["one"].array


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_does_not_fit_is_named(dev: Environment, case: dict[str, Any]) -> None:
    write(dev, "one", changed(HOST, case["path"], case["value"]))
    assert f"host_vars/one.yml: {case['says']}" in told(dev)


def test_an_array_without_an_escrow(dev: Environment) -> None:
    dev.site_file.write_text(
        dev.site_file.read_text().replace("escrow: escrow.pem", "escrow: null")
    )
    write(dev, "one", HOST)
    assert told(dev) == [
        "host_vars/one.yml: host.array: its recovery key is encrypted to site.escrow, "
        "which names no certificate"
    ]


def test_one_disk_in_two_hosts_and_all_else_that_is_unique(dev: Environment) -> None:
    write(dev, "one", HOST)
    write(dev, "two", HOST)
    found = told(dev)
    assert "host_vars/two.yml: host.disks.0.serial: D0 is one's, too" in found
    assert "host_vars/two.yml: host.nics.2.mac: 02:00:00:00:00:02 is one's, too" in found
    assert "host_vars/two.yml: host.addresses.0.address: serving 10.88.32.21 is one's, too" in found


def test_a_host_in_two_sites(checkout: Path, dev: Environment) -> None:
    write(dev, "one", HOST)
    staging = Environment(name="staging", root=checkout)
    write(staging, "one", HOST)
    assert any(
        each.startswith("host_vars/one.yml: is in inventories/staging, too: its name, 02:00")
        for each in told(dev)
    )


def test_two_broken_files_are_reported_together(dev: Environment) -> None:
    write(dev, "one", changed(HOST, "cpu.min_cores", 0))
    write(dev, "two", changed(HOST, "array.chunk_kib", 100))
    found = told(dev)
    assert any(each.startswith("host_vars/one.yml: host.cpu.min_cores") for each in found)
    assert any(each.startswith("host_vars/two.yml: host.array.chunk_kib") for each in found)
