"""A no-change run of the site's playbook, on one booted host and on eight. Rehearsal up."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import yaml

from bench.figure import Figure
from bench.timing import timed
from landfall import process
from landfall.cli.flow import pull_request, services
from landfall.errors import Refused
from landfall.model.environment import ROOT, Environment, cache_folder, find
from rehearsal import setup
from rehearsal.packages import Wheelhouse
from rehearsal.rack import SSH_PORT, Forward, Rack, RackHost

HOSTS = 8
FIRST_PORT = 22311
SUBNET = IPv4Network("10.89.0.0/24")
TIMES = 3
"""Of each kind of run, one after the other in turn; the median counts."""

GOAL_S, GOAL_RATIO, GOAL_OVERHEAD = 60.0, 4.0, 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A checkout of its own whose environment dev has eight booted hosts."""

    root: Path
    rack: Rack

    def landfall(self, *words: str) -> None:
        """Run the command of the copy."""
        process.run(
            [sys.executable, "-m", "landfall.cli.main", *words],
            cwd=self.root,
            env={"PYTHONPATH": str(self.root)},
        )

    def bare(self, limit: str) -> None:
        """Run the same playbook with Ansible alone."""
        program = Path(sys.executable).with_name("ansible-playbook")
        process.run(
            [program, "-i", "inventories/dev", "playbooks/site.yml", "--diff", "--limit", limit],
            cwd=self.root,
        )


@contextmanager
def fleet() -> Iterator[Fleet]:
    """Boot the hosts, configure them once, and remove everything afterwards."""
    if not all(each.ready for each in services.of(find("dev")).status()):
        raise Refused("the rehearsal's services do not answer", hint="landfall up dev")
    made = setup.prepare(cache_folder(), lambda _: None)
    with tempfile.TemporaryDirectory(prefix="landfall-bench-") as folder:
        root = Path(folder) / "checkout"
        root.mkdir()
        pull_request.copy(ROOT, root)
        _leavings(find("dev").leavings, root / ".landfall")
        rack = _rack(root / ".landfall/rack")
        _inventory(Environment(name="dev", root=root), rack)
        try:
            rack.up(rootfs=made.rootfs, repository=made.repository, wheelhouse=made.wheelhouse.path)
            _wheelhouse(Environment(name="dev", root=root), rack, made.wheelhouse)
            found = Fleet(root=root, rack=rack)
            found.landfall("site", "dev")
            yield found
        finally:
            rack.down()


def measure() -> list[Figure]:
    """Seconds on one host, how many times that on eight, and what the command adds."""
    with fleet() as found:
        name = found.rack.hosts[0].name
        ours, theirs, eight = [], [], []
        for _ in range(TIMES):
            ours.append(timed(lambda: found.landfall("site", "dev", "--limit", name)))
            theirs.append(timed(lambda: found.bare(name)))
            eight.append(timed(lambda: found.landfall("site", "dev")))
    one = statistics.median(ours)
    ratio = statistics.median(eight) / one
    overhead = (one / statistics.median(theirs) - 1) * 100
    return [
        Figure(name="no-change run, one host", value=one, unit="s", goal=GOAL_S),
        Figure(name=f"no-change run, {HOSTS} hosts / one", value=ratio, unit="", goal=GOAL_RATIO),
        Figure(
            name="landfall site / ansible-playbook",
            value=overhead,
            unit="% more",
            goal=GOAL_OVERHEAD,
            detail=f"{one:.1f} s and {statistics.median(theirs):.1f} s",
        ),
    ]


def _leavings(source: Path, target: Path) -> None:
    """What the loop has left that hosts need: engines, keys, addresses of services."""
    for name in ("store", "dev/keys"):
        shutil.copytree(source / name, target / name, dirs_exist_ok=True)
    for name in ("handoff.json", "releases.yaml", "services.json"):
        shutil.copy(source / "dev" / name, target / "dev" / name)


def _rack(state: Path) -> Rack:
    hosts = [
        RackHost(name=f"bench-{n}", address=str(SUBNET.network_address + 10 + n))
        for n in range(1, HOSTS + 1)
    ]
    forwards = [
        Forward(port=FIRST_PORT + index, address=host.address, target=SSH_PORT)
        for index, host in enumerate(hosts)
    ]
    return Rack(
        state=state, hosts=hosts, subnet=SUBNET, namespace="landfall-bench", forwards=forwards
    )


def _inventory(environment: Environment, rack: Rack) -> None:
    """The environment's own inventory, with other hosts in it."""
    path = environment.inventory / "hosts.yml"
    written = yaml.safe_load(path.read_text())
    template = environment.inventory / "host_vars/rack-1.yml"
    one = yaml.safe_load(template.read_text())
    template.unlink()
    reached = {}
    for host, forward in zip(rack.hosts, rack.forwards, strict=True):
        reached[host.name] = {"ansible_host": "127.0.0.1", "ansible_port": forward.port}
        one["host"]["nics"][0]["mac"] = host.mac
        one["host"]["addresses"][0]["address"] = host.address
        target = environment.inventory / "host_vars" / f"{host.name}.yml"
        target.write_text(yaml.safe_dump(one))
    for group in written["all"]["children"].values():
        group["hosts"] = reached if group["hosts"]["rack-1"] else {rack.hosts[0].name: None}
    path.write_text(yaml.safe_dump(written))
    site = environment.site_file
    site.write_text(site.read_text().replace("10.88.0.", f"{rack.gateway.rpartition('.')[0]}."))


def _wheelhouse(environment: Environment, rack: Rack, made: Wheelhouse) -> None:
    noted = {"url": f"{rack.packages_url}/{made.path.name}/", "digest": made.digest}
    environment.wheelhouse_file.write_text(json.dumps(noted))
