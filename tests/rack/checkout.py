"""A checkout of its own whose environment dev is emulated servers, for the command `landfall`.

The engines in it are stand-ins of a few bytes, served by a stand-in server: what is proven is the
site half, from bare disks and cables to an answered request. The real engine is proven on booted
hosts, by the demo.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from landfall import process
from landfall.cli.flow import pull_request
from landfall.model.environment import ROOT, Environment
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.machine import SERVICES_ADDRESS
from rehearsal.virtual.rack import PACKAGE_PORT, VirtualRack
from tests.playbooks import stand_in


@dataclass(frozen=True)
class Ran:
    """How a command of the checkout ended."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Its result, where it was asked for as JSON."""
        return json.loads(self.stdout)


@dataclass
class Checkout:
    """The copy, and the rack whose servers are its hosts."""

    root: Path
    rack: VirtualRack
    secrets: str
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def dev(self) -> Environment:
        """Its environment dev."""
        return Environment(name="dev", root=self.root)

    def landfall(self, *words: str, check: bool = True) -> Ran:
        """Run the copy's own command."""
        done = process.run(
            [sys.executable, "-m", "landfall.cli.main", *words],
            cwd=self.root,
            env={"PYTHONPATH": str(self.root), "COLUMNS": "160"},
            check=False,
        )
        assert not check or done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        return Ran(done.returncode, done.stdout, done.stderr)

    def ansible(self, playbook: str, *words: str, check: bool = True) -> Ran:
        """Run a playbook of the copy by hand."""
        program = Path(sys.executable).with_name("ansible-playbook")
        done = process.run(
            [program, "-i", "inventories/dev", f"playbooks/{playbook}.yml", *words],
            cwd=self.root,
            env={"ANSIBLE_NOCOLOR": "1"},
            check=False,
        )
        assert not check or done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        return Ran(done.returncode, done.stdout, done.stderr)

    def inventory(
        self,
        hosts: Mapping[Guest, Mapping[str, Any]],
        site: Mapping[str, Any],
        variables: Mapping[str, Any],
    ) -> None:
        """Write the inventory: what each server is, the site, and variables for all."""
        made = self.rack.inventory(hosts, groups=("gpu_hosts", "build_hosts"))
        folder = self.dev.inventory
        # Not in hosts.yml: what group_vars says would win, and there stands that networks of
        # booted hosts are left alone.
        (folder / "group_vars/all/rehearsal.yml").write_text(yaml.safe_dump(dict(variables)))
        (folder / "hosts.yml").write_text(yaml.safe_dump(made))
        for old in (folder / "host_vars").iterdir():
            old.unlink()
        for guest, host in hosts.items():
            (folder / f"host_vars/{guest.name}.yml").write_text(yaml.safe_dump({"host": host}))
        self.dev.site_file.write_text(yaml.safe_dump({"site": dict(site)}))

    def release(self, content: str) -> str:
        """Put a stand-in engine into the store and release it alone; its key."""
        made = stand_in.engine(self.root / "made", content, port=0, share=100)
        key = str(made["key"])
        folder = self.dev.store / key
        shutil.copytree(made["source"], folder / "engine", dirs_exist_ok=True)
        shutil.copy(made["signature"], folder / "engine.sig")
        predicate = {"classification": "restricted", "slots": 2}
        (folder / "engine/manifest.json").write_text(json.dumps({"predicate": predicate}))
        self.dev.keys.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.root / "made/signing.pub", self.dev.keys / "signing.pub")
        released = {"tiny-lm": {"engines": [{"key": key, "share": 100}]}}
        self.dev.release_file.write_text(yaml.safe_dump(released))
        return key


def make(folder: Path, rack: VirtualRack, secrets: str) -> Checkout:
    """A checkout in `folder`, with a wheelhouse that the rack's servers can reach."""
    folder.mkdir()
    pull_request.copy(ROOT, folder)
    found = Checkout(root=folder, rack=rack, secrets=secrets)
    work = found.dev.work
    work.mkdir(parents=True)
    wheels = folder / "made-wheelhouse"
    digest = stand_in.wheelhouse(wheels)
    served = rack.state / "served/wheelhouse"
    served.unlink(missing_ok=True)
    served.symlink_to(wheels)
    address = f"http://{SERVICES_ADDRESS}:{PACKAGE_PORT}/wheelhouse/"
    found.dev.wheelhouse_file.write_text(json.dumps({"url": address, "digest": digest}))
    services = {"endpoint": secrets, "region": "eu-central-1"}
    found.dev.services_file.write_text(json.dumps(services))
    return found
