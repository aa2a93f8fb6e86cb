"""The site's own services on a booted host: names, time, container images.

A rack of emulated servers reaches it through the router of its own network. It is a machine like
the others: it loses its power with them and starts again by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from landfall import process
from landfall.model.environment import cache_folder
from rehearsal import packages
from rehearsal.door import NAMESPACES
from rehearsal.rack import Rack
from rehearsal.virtual.rack import VirtualRack
from tests.loopback import free_port
from tests.playbooks import one_host
from tests.playbooks.one_host import OneHost
from tests.playbooks.registry import Registry, certificate

NET = 98
ADDRESS = f"10.{NET}.0.11"
RANGE = f"10.{NET}.0.0/24"
DOMAIN = "rack.example"
TIME, IMAGES = f"time.{DOMAIN}", f"images.{DOMAIN}"
IMAGES_PORT = 5000
PACKAGES = ("chrony", "dnsmasq-base", "docker-registry")
ROUTERS = ("10.255.98.1", "10.255.98.2")
"""The ends of the cable between the servers' router and the services' network."""

UNITS = {
    "names": f"dnsmasq --keep-in-foreground --no-resolv --no-hosts --user=root"
    f" --address=/{TIME}/{ADDRESS} --address=/{IMAGES}/{ADDRESS}",
    # It serves the time that this machine has, and sets no clock: a container's is not its own.
    "time": "chronyd -d -x -u root -f /etc/site-time.conf",
    "images": "docker-registry serve /etc/site-images.yml",
}

UNIT = """[Unit]
Description=The site's {name}
After=network.target
[Service]
ExecStart=/usr/bin/env PATH=/usr/sbin:/usr/bin {command}
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
"""

TIME_CONF = "local stratum 8\nallow\ncmdport 0\npidfile /run/site-time.pid\n"

IMAGES_CONF = f"""
version: 0.1
storage: {{filesystem: {{rootdirectory: /var/lib/site-images}}}}
http:
  addr: {ADDRESS}:{IMAGES_PORT}
  tls: {{certificate: /etc/site-images.crt, key: /etc/site-images.key}}
"""


@dataclass(frozen=True)
class Services:
    """The host, and the registry as this machine reaches it to put images there."""

    host: OneHost
    machine: Rack
    registry: Registry

    def cut_power(self) -> None:
        """It is off at once; nothing is told."""
        process.stop(self.machine.state / f"daemons/host-{NAME}.json", grace_s=0)

    def power_on(self) -> None:
        """It starts, with the disk that it had."""
        self.machine.restart(NAME)


NAME = "services-1"


@contextmanager
def running(folder: Path, rack: VirtualRack, range_of_servers: str) -> Iterator[Services]:
    """The services, up, with a way to and from the servers' router in the rack's namespace."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    repository = packages.ensure_repository(cache_folder(), print, packages=PACKAGES)
    with ExitStack() as stack:
        host, machine = stack.enter_context(
            one_host.booted(
                folder, net=NET, name=NAME, repository=repository, ports={port: IMAGES_PORT}
            )
        )
        _cable(rack.namespace, machine.namespace, range_of_servers)
        registry = Registry(folder=folder, port=port)
        certificate(folder, "registry", f"DNS:{IMAGES}", "IP:127.0.0.1")
        _set_up(host, registry)
        yield Services(host, machine, registry)


def _set_up(host: OneHost, registry: Registry) -> None:
    written = {
        "/etc/site-time.conf": TIME_CONF,
        "/etc/site-images.yml": IMAGES_CONF,
        "/etc/site-images.crt": registry.ca.read_text(),
        "/etc/site-images.key": (registry.folder / "registry.key").read_text(),
    }
    for name, command in UNITS.items():
        unit = UNIT.format(name=name, command=command)
        written[f"/etc/systemd/system/site-{name}.service"] = unit
    for path, content in written.items():
        process.run([*host.ssh_command, f"cat > {path}"], stdin=content)
    units = " ".join(f"site-{name}" for name in UNITS)
    host.ssh(
        "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install"
        f" --no-install-recommends {' '.join(PACKAGES)} >/dev/null"
        " && systemctl mask --now chrony docker-registry 2>/dev/null"
        f"; systemctl daemon-reload && systemctl enable --now {units}"
    )


def _cable(router: str, services: str, range_of_servers: str) -> None:
    """A cable between two namespaces; both carry packets for others."""
    ends = ((router, "svc-a", ROUTERS[0]), (services, "svc-b", ROUTERS[1]))
    pair = ["type", "veth", "peer", "name", "svc-b", "netns", services]
    process.run(["ip", "link", "add", "svc-a", "netns", router, *pair])
    ways = ((RANGE, ROUTERS[1]), (range_of_servers, ROUTERS[0]))
    for (namespace, name, address), (target, via) in zip(ends, ways, strict=True):
        ip = ["ip", "-n", namespace]
        process.run([*ip, "address", "add", f"{address}/30", "dev", name])
        process.run([*ip, "link", "set", name, "up"])
        process.run([*ip, "route", "add", target, "via", via])
        enter = ["nsenter", f"--net={NAMESPACES / namespace}"]
        process.run([*enter, "sysctl", "-qw", "net.ipv4.ip_forward=1"])
