"""One booted host and a play of one role on it: what the tests of single roles share."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from landfall import process
from landfall.model.environment import ROOT, cache_folder
from rehearsal import packages, rootfs
from rehearsal.rack import Forward, Rack, RackHost
from tests.loopback import free_port

BIN = Path(sys.executable).parent


@dataclass
class Played:
    """What a play printed, and Ansible's own counts of the host."""

    output: str
    counts: dict[str, int]
    seconds: float

    @property
    def changed(self) -> list[str]:
        """The tasks that changed something, by name."""
        task, found = "", list[str]()
        for line in self.output.splitlines():
            if heading := re.match(r"(?:TASK|RUNNING HANDLER) \[(.*?)\] \*", line):
                task = heading[1]
            elif line.startswith("changed: ") and found[-1:] != [task]:
                found.append(task)
        return found


@dataclass
class OneHost:
    """A booted host, reached as Ansible reaches it."""

    folder: Path
    inventory: Path
    ssh_command: list[str | Path]
    variables: dict[str, Any] = field(default_factory=dict)

    def play(
        self, role: str, *words: str, fails: bool = False, user: str = "", **variables: Any
    ) -> Played:
        """Run one role with `variables` added to the host's own."""
        given = self.folder / "given.json"
        given.write_text(json.dumps({**self.variables, **variables}))
        tasks = [{"name": role, "ansible.builtin.import_role": {"name": role}}]
        play: dict[str, Any] = {"hosts": "all", "tasks": tasks, "become": bool(user)}
        if user:
            play["remote_user"] = user
        playbook = self.folder / "playbooks/play.json"
        playbook.write_text(json.dumps([play]))
        given_too: list[str | Path] = ["-e", f"@{given}", playbook, *words]
        began = time.monotonic()
        done = process.run(
            [BIN / "ansible-playbook", "-i", self.inventory, *given_too],
            cwd=ROOT,
            env={"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            check=False,
        )
        output = done.stdout + done.stderr
        with (self.folder / "play.log").open("a") as log:
            log.write(output)
        assert (done.returncode != 0) == fails, output[-6000:]
        recap = done.stdout.rpartition("PLAY RECAP")[2]
        counts = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", recap)}
        return Played(output=output, counts=counts, seconds=time.monotonic() - began)

    def truthful(self, role: str, **variables: Any) -> Played:
        """Foresee, run, and run again: what check mode said is what happened, and no more.

        Tasks that check mode cannot foresee are the caller's to name.
        """
        foreseen = self.play(role, "--check", "--diff", **variables)
        first = self.play(role, "--diff", **variables)
        assert foreseen.changed == first.changed
        assert self.play(role, **variables).counts["changed"] == 0
        return first

    def ssh(self, command: str, *, check: bool = True) -> str:
        return process.run([*self.ssh_command, command], check=check).stdout

    def unchanged(self, command: str) -> process.Completed:
        """Run a command whose end is the caller's to judge."""
        return process.run([*self.ssh_command, command], check=False)


def prepare(folder: Path) -> Path:
    """A folder in which a play finds the templates where it looks for them; its inventory."""
    (folder / "playbooks").mkdir()
    (folder / "templates").symlink_to(ROOT / "templates")
    return folder / "hosts.json"


def inventory(name: str, port: int, rack: Rack) -> dict[str, Any]:
    known = f"-o StrictHostKeyChecking=yes -o UserKnownHostsFile='{rack.known_hosts}'"
    common = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(rack.ssh_key),
        "ansible_ssh_common_args": f"{known} -o IdentitiesOnly=yes",
    }
    host = {"ansible_host": "127.0.0.1", "ansible_port": port, **common}
    return {"all": {"hosts": {name: host}}}


@contextmanager
def booted(
    folder: Path,
    *,
    net: int,
    name: str = "t-1",
    repository: Path | None = None,
    ports: Mapping[int, int] | None = None,
) -> Iterator[tuple[OneHost, Rack]]:
    """A booted host at 10.`net`.0.11 with packages at 10.`net`.0.1, and nothing configured.

    `ports` of loopback lead to ports of the host; `repository` is another than the roles' own.
    """
    port = free_port()
    host = RackHost(name=name, address=f"10.{net}.0.11")
    rack = Rack(
        state=folder / "rack",
        hosts=[host],
        subnet=IPv4Network(f"10.{net}.0.0/24"),
        namespace=f"landfall-t{net}-{os.getpid()}",
        forwards=[
            Forward(port=mine, address=host.address, target=target)
            for mine, target in {port: 22, **(ports or {})}.items()
        ],
    )
    wheels = folder / "wheelhouse"
    wheels.mkdir()
    written = prepare(folder)
    try:
        rack.up(
            rootfs=rootfs.ensure(cache_folder(), print),
            repository=repository or packages.ensure_repository(cache_folder(), print),
            wheelhouse=wheels,
        )
        written.write_text(json.dumps(inventory(name, port, rack)))
        yield OneHost(folder=folder, inventory=written, ssh_command=[*rack.ssh(name)]), rack
    finally:
        rack.down()
