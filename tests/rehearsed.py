"""A rehearsal beside others: a copy of the checkout with ports, addresses and a rack of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from examples.tiny_lm.definition import Definition
from landfall.cli.flow import model, pull_request, rack, services
from landfall.model.environment import ROOT, Environment
from rehearsal.rack import Forward, Rack, RackHost
from rehearsal.services import Ports, Services


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a rehearsal has for itself, and how long its model is trained.

    Attributes:
        prefix: the first three parts of its addresses, with a dot behind them.
        namespace: of its network.
        ssh, gateway: ports of loopback that lead to its host.
        services: ports of its stand-ins for the account.
        steps: of the training.
    """

    prefix: str
    namespace: str
    ssh: int
    gateway: int
    services: Ports
    steps: int

    @property
    def host(self) -> RackHost:
        return RackHost(name="rack-1", address=f"{self.prefix}11")

    def rack(self, environment: Environment) -> Rack:
        return Rack(
            state=environment.root / ".landfall" / "rack",
            hosts=[self.host],
            subnet=IPv4Network(f"{self.prefix}0/24"),
            namespace=self.namespace,
            forwards=[
                Forward(port=self.ssh, address=self.host.address, target=22),
                Forward(port=self.gateway, address=self.host.address, target=8080),
            ],
        )

    def checkout(self, folder: Path) -> Environment:
        """A copy of this checkout whose environment dev is this place."""
        pull_request.copy(ROOT, folder)
        hosts = folder / "inventories/dev/hosts.yml"
        hosts.write_text(hosts.read_text().replace("22011", str(self.ssh)))
        promised = folder / "inventories/dev/host_vars/rack-1.yml"
        promised.write_text(promised.read_text().replace("02:00:0a:58:00:0b", self.host.mac))
        for path in (promised, folder / "inventories/dev/group_vars/all/site.yml"):
            path.write_text(path.read_text().replace("10.88.0.", self.prefix))
        return Environment(name="dev", root=folder)

    @contextmanager
    def taken(self, environment: Environment) -> Iterator[tuple[Services, Rack]]:
        """Let every command that is run in this process use this place; stop it at the end."""
        running = Services(state=environment.work / "services", ports=self.services)
        found = self.rack(environment)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(services, "of", lambda _: running)
            patch.setattr(rack, "of", lambda environment, _=None: self.rack(environment))
            patch.setattr(model, "Definition", lambda: Definition(steps=self.steps))
            try:
                yield running, found
            finally:
                found.down()
                running.stop()
