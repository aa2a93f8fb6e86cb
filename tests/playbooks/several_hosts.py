"""A checkout of its own and booted hosts: an inventory, a release, and engines."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import boto3
import httpx
import yaml

from landfall import process
from landfall.model.environment import ROOT, Environment, cache_folder
from rehearsal import packages, rootfs
from rehearsal.rack import Forward, Rack, RackHost
from tests.loopback import free_port
from tests.playbooks import stand_in
from tests.playbooks.one_host import BIN
from tests.playbooks.traffic import KEY, PLAIN, ask

SUBNET = "10.66"
MAC_OF_DEV = "02:00:0a:58:00:0b"


@dataclass
class Played:
    """What a play printed, and Ansible's own counts of each host."""

    output: str
    counts: dict[str, dict[str, int]]
    returncode: int
    seconds: float


@dataclass
class Checkout:
    """The files of an environment `dev`, as people and earlier steps would have left them."""

    root: Path

    @property
    def environment(self) -> Environment:
        return Environment(name="dev", root=self.root)

    def make(self, hosts: dict[str, dict[str, Any]], common: dict[str, Any]) -> None:
        """Lay out the files; the code is the real one."""
        for name in ("playbooks", "templates", "ansible.cfg", "landfall"):
            (self.root / name).symlink_to(ROOT / name)
        shutil.copy(ROOT / "Pulumi.dev.yaml", self.root)
        (self.root / "engines/specs").mkdir(parents=True)
        inventory = self.environment.inventory
        shutil.copytree(ROOT / "inventories/dev", inventory)
        for path in inventory.rglob("*.yml"):
            path.write_text(path.read_text().replace("10.88.", f"{SUBNET}."))
        site = yaml.safe_load(self.environment.site_file.read_text())
        self._yaml(self.environment.site_file, {"site": {**site["site"], "tenants": [TENANT]}})
        [of_dev] = (inventory / "host_vars").glob("*.yml")
        described = of_dev.read_text()
        of_dev.unlink()
        for name in hosts:
            there = address_of(name)
            text = described.replace(f"{SUBNET}.0.11", there.address)
            text = text.replace(MAC_OF_DEV, there.mac)
            (inventory / f"host_vars/{name}.yml").write_text(text)
        groups = {
            "gpu_hosts": {"hosts": hosts},
            "build_hosts": {"hosts": {name: {} for name in hosts}},
        }
        self._yaml(inventory / "hosts.yml", {"all": {"children": groups, "vars": common}})
        keys = self.environment.keys
        keys.mkdir(parents=True)
        (keys / "signing.pub").write_text("public key")

    def engine(self, content: str) -> str:
        """Put an engine into the store; its key."""
        key = sha256(content.encode()).hexdigest()
        folder = self.environment.store / key / "engine"
        if folder.exists():
            return key
        folder.mkdir(parents=True)
        (folder / "model").write_text(content)
        predicate = {
            "engine": "tiny-lm",
            "key": key,
            "parts": {"target": "x86_64"},
            "backend": "stand-in",
            "backend_version": "1",
            "target": "cpu",
            "classification": "restricted",
            "slots": 2,
        }
        (folder / "manifest.json").write_text(json.dumps({"predicate": predicate}))
        signed = content.encode() + (self.environment.keys / "signing.pub").read_bytes()
        (folder.parent / "engine.sig").write_text(sha256(signed).hexdigest())
        return key

    def release(self, content: str) -> str:
        """Have the engine with `content` answer every request; its key."""
        key = self.engine(content)
        release = {"tiny-lm": {"engines": [{"key": key, "share": 100}]}}
        self._yaml(self.environment.release_file, release)
        return key

    def wheels(self, url: str, digest: str) -> None:
        self.environment.wheelhouse_file.write_text(json.dumps({"url": url, "digest": digest}))

    def _yaml(self, path: Path, value: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(value))


TENANT = {"name": "clinic", "classification": "restricted", "key_secret": "test/clinic"}


def address_of(name: str) -> RackHost:
    return RackHost(name=name, address=f"{SUBNET}.0.1{name[-1]}")


@dataclass
class Hosts:
    """The booted hosts, the checkout that describes them, and their gateways."""

    checkout: Checkout
    rack: Rack
    gateways: dict[str, str]
    quick: dict[str, Any] = field(default_factory=dict)

    def command(self, playbook: str, *words: str, **variables: Any) -> list[str | Path]:
        """The command line of a play, with `variables` given to it."""
        given = self.checkout.root / "given.json"
        given.write_text(json.dumps({**self.quick, **variables}))
        inventory = self.checkout.environment.inventory
        program = BIN / "ansible-playbook"
        return [program, "-i", inventory, "-e", f"@{given}", ROOT / "playbooks" / playbook, *words]

    def play(
        self,
        playbook: str,
        *words: str,
        fails: bool = False,
        env: dict[str, str] | None = None,
        **variables: Any,
    ) -> Played:
        """Run a playbook by hand, as a person would."""
        began = time.monotonic()
        done = process.run(
            self.command(playbook, *words, **variables),
            cwd=self.checkout.root,
            env={
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "1",
                **(env or {}),
            },
            check=False,
        )
        output = done.stdout if env else done.stdout + done.stderr
        with (self.checkout.root / "play.log").open("a") as log:
            log.write(output)
        assert (done.returncode != 0) == fails, output[-6000:]
        rows = re.findall(r"^(\S+) +: (ok=.*)$", done.stdout, re.MULTILINE)
        counts = {
            host: {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", text)}
            for host, text in rows
        }
        seconds = time.monotonic() - began
        return Played(output=output, counts=counts, returncode=done.returncode, seconds=seconds)

    def configure(self) -> Played:
        """Have the hosts serve what is released."""
        return self.play("site.yml", "--tags", "engine,serving,gateway")

    def ssh(self, name: str, command: str, *, check: bool = True) -> str:
        return process.run([*self.rack.ssh(name), command], check=check).stdout

    def model(self, name: str) -> str:
        """Which model answers on one host; "" where none does."""
        try:
            answer = ask(self.gateways[name], "who are you?")
            return str(answer.json()["model"]) if answer.status_code == 200 else ""
        except httpx.HTTPError:
            return ""

    def drained(self, name: str) -> bool:
        address = f"{self.gateways[name]}/health"
        return httpx.get(address, timeout=5, verify=PLAIN).status_code == 503

    def rebuild(self, name: str) -> None:
        """Give a host an empty disk, as after its replacement; its name and key stay."""
        [machine] = [each for each in self.rack._machines() if each.host.name == name]
        process.stop(self.rack._record(f"host-{name}"))
        machine.clear()
        shutil.rmtree(machine.folder / "upper")
        shutil.rmtree(machine.folder / "work")
        self.rack.restart(name)

    def restart_tasks(self) -> Path:
        """A file of tasks that reboots a host of the rack, for `rolling_reboot_tasks`."""
        script, tasks = self.checkout.root / "restart.py", self.checkout.root / "restart.yml"
        script.write_text(
            f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            "from ipaddress import IPv4Network\nfrom pathlib import PosixPath\n"
            "from rehearsal.rack import Forward, Rack, RackHost\n"
            f"rack = {self.rack!r}\nrack.restart(sys.argv[1])\n".replace(
                repr(self.rack.on_progress), "print"
            )
        )
        argv = [sys.executable, str(script), "{{ inventory_hostname }}"]
        steps = [
            {
                "name": "Restart the host",
                "ansible.builtin.command": {"argv": argv},
                "delegate_to": "localhost",
                "become": False,
            },
            {"name": "Forget the connection", "ansible.builtin.meta": "reset_connection"},
            {"name": "Wait for it", "ansible.builtin.wait_for_connection": {"timeout": 60}},
        ]
        tasks.write_text(json.dumps(steps))
        return tasks


@contextmanager
def secrets(folder: Path) -> Iterator[str]:
    """A stand-in for Secrets Manager with the tenant's key."""
    port, record = free_port(), folder / "moto.json"
    url = f"http://127.0.0.1:{port}"
    server: list[str | Path] = [BIN / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    process.spawn(server, name="moto", record=record, log=folder / "moto.log")
    account = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client: Any = boto3.client(
        "secretsmanager", endpoint_url=url, region_name="eu-central-1", **account
    )

    def made() -> bool:
        try:
            client.create_secret(Name="test/clinic", SecretString=KEY)
        except Exception:  # it does not listen yet
            return False
        return True

    try:
        assert process.wait_until(made, timeout_s=30)
        yield url
    finally:
        process.stop(record)


@contextmanager
def booted(folder: Path, names: Sequence[str] = ("t-1", "t-2")) -> Iterator[Hosts]:
    """Booted hosts in a checkout of their own, with nothing configured."""
    hosts = [address_of(name) for name in names]
    ssh = {each.name: free_port() for each in hosts}
    http = {each.name: free_port() for each in hosts}
    doors = [Forward(port=ssh[each.name], address=each.address, target=22) for each in hosts]
    doors += [Forward(port=http[each.name], address=each.address, target=8080) for each in hosts]
    rack = Rack(
        state=folder / "rack",
        hosts=hosts,
        subnet=IPv4Network(f"{SUBNET}.0.0/24"),
        namespace=f"landfall-life-{os.getpid()}",
        forwards=doors,
    )
    checkout = Checkout(root=folder / "checkout")
    checkout.root.mkdir()
    known = f"-o StrictHostKeyChecking=yes -o UserKnownHostsFile='{rack.known_hosts}'"
    common = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(rack.ssh_key),
        "ansible_ssh_common_args": f"{known} -o IdentitiesOnly=yes",
    }
    reached = {name: {"ansible_host": "127.0.0.1", "ansible_port": ssh[name]} for name in names}
    checkout.make(reached, common)
    wheels = folder / "wheelhouse"
    digest = stand_in.wheelhouse(wheels)
    with secrets(folder) as url:
        services = {"endpoint": url, "region": "eu-central-1"}
        checkout.environment.services_file.write_text(json.dumps(services))
        checkout.wheels(f"{rack.packages_url}/{wheels.name}/", digest)
        try:
            up(rack, wheels)
            quick = {
                "gateway_notice_s": 2,
                "rolling_patience_s": 3,
                "rolling_reboot_timeout_s": 60,
                "serving_drain_s": 5,
            }
            gateways = {name: f"http://127.0.0.1:{port}" for name, port in http.items()}
            yield Hosts(checkout=checkout, rack=rack, gateways=gateways, quick=quick)
        finally:
            rack.down()


def up(rack: Rack, wheels: Path) -> None:
    """Bring the rack up, or what of it is not up; it serves the wheels in this folder, too."""
    rack.up(
        rootfs=rootfs.ensure(cache_folder(), print),
        repository=packages.ensure_repository(cache_folder(), print),
        wheelhouse=wheels,
    )
