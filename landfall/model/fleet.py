"""What the hosts of a site must agree on with it, with one another, and with other sites.

Everything is looked at before anything runs, and reported together: a disk that is named twice, a
host in two sites, a network whose packets are larger than the bond below it carries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from landfall.errors import InvalidInput, Problem
from landfall.model import host as hosts
from landfall.model import site as sites
from landfall.model.environment import Environment, find, names
from landfall.model.host import Host
from landfall.model.site import Site


def load(environment: Environment) -> dict[str, Host]:
    """The hosts of an environment, compared with their site and with those of other sites.

    Raises:
        InvalidInput: with everything that is wrong, each with its file and the path of its field.
    """
    site, found = sites.load(environment), hosts.load(environment)
    problems = [
        *chain.from_iterable(_host(name, host, site) for name, host in found.items()),
        *_named_twice(found),
        *_elsewhere(environment, found),
    ]
    if problems:
        raise InvalidInput(f"inventories/{environment.name}", problems)
    return found


def _host(name: str, host: Host, site: Site) -> Iterator[Problem]:
    found = chain(_ports(host), _bonds(host), _addresses(host, site), _array(host, site))
    for path, message in found:
        yield Problem(path=f"host_vars/{name}.yml: host.{path}", message=message)


def _ports(host: Host) -> Iterator[tuple[str, str]]:
    named = [*(nic.name for nic in host.nics), *(bond.name for bond in host.bonds)]
    for each in sorted({name for name in named if named.count(name) > 1}):
        yield "nics", f"{each} is the name of more than one port or bond"
    for field in ("mac", "serial"):
        items = host.nics if field == "mac" else host.disks
        values = [getattr(each, field) for each in items]
        for value in sorted({value for value in values if values.count(value) > 1}):
            yield ("nics" if field == "mac" else "disks"), f"{value} appears twice"


def _bonds(host: Host) -> Iterator[tuple[str, str]]:
    ports = {nic.name: nic for nic in host.nics}
    taken: dict[str, str] = {}
    for index, bond in enumerate(host.bonds):
        path = f"bonds.{index}"
        for member in bond.members:
            if member not in ports:
                yield f"{path}.members", f"no port {member}; there are {', '.join(sorted(ports))}"
                continue
            if (other := taken.setdefault(member, bond.name)) != bond.name:
                yield f"{path}.members", f"{member} is a member of {other} already"
            if ports[member].mtu < bond.mtu:
                yield (
                    f"{path}.mtu",
                    f"{bond.mtu} is larger than the {ports[member].mtu} that {member} carries",
                )
        speeds = {ports[each].speed_gbps for each in bond.members if each in ports}
        if len(speeds) > 1:
            yield f"{path}.members", f"have different speeds ({_listed(speeds)} Gbit/s)"


def _addresses(host: Host, site: Site) -> Iterator[tuple[str, str]]:
    carriers = {nic.name: nic.mtu for nic in host.nics}
    carriers |= {bond.name: bond.mtu for bond in host.bonds}
    members = {member for bond in host.bonds for member in bond.members}
    for index, each in enumerate(host.addresses):
        path = f"addresses.{index}"
        network = site.networks.get(each.network)
        if network is None:
            known = ", ".join(sorted(site.networks))
            yield f"{path}.network", f"no network {each.network}; there are {known}"
        elif each.address not in network.range:
            yield f"{path}.address", f"{each.address} is not in {network.range} ({each.network})"
        if each.interface not in carriers:
            yield (
                f"{path}.interface",
                f"no port or bond {each.interface}; there are {_listed(carriers)}",
            )
        elif each.interface in members:
            yield f"{path}.interface", f"{each.interface} is in a bond; the bond carries addresses"
        elif network is not None and network.mtu > carriers[each.interface]:
            carried = carriers[each.interface]
            message = f"{each.network} has an MTU of {network.mtu}, {each.interface} of {carried}"
            yield f"{path}.interface", message


def _array(host: Host, site: Site) -> Iterator[tuple[str, str]]:
    if host.array is None:
        return
    if site.escrow is None:
        yield "array", "its recovery key is encrypted to site.escrow, which names no certificate"
    disks = {disk.serial: disk for disk in host.disks}
    for field in ("members", "spares"):
        for serial in getattr(host.array, field):
            if serial not in disks:
                yield f"array.{field}", f"no disk {serial} among host.disks"
    sizes = {disks[each].size_gb for each in host.array.members if each in disks}
    for serial in host.array.spares:
        if serial in disks and sizes and disks[serial].size_gb < min(sizes):
            yield "array.spares", f"{serial} is smaller than the members"


def _identities(host: Host) -> Iterator[tuple[str, str]]:
    """What only one host of all can have, with the path of its field."""
    yield from ((f"nics.{i}.mac", nic.mac) for i, nic in enumerate(host.nics))
    yield from ((f"disks.{i}.serial", disk.serial) for i, disk in enumerate(host.disks))
    for index, each in enumerate(host.addresses):
        yield f"addresses.{index}.address", f"{each.network} {each.address}"


def _named_twice(found: Mapping[str, Host]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name, host in found.items():
        for path, value in _identities(host):
            other = seen.setdefault(value, name)
            if other != name:
                where = f"host_vars/{name}.yml: host.{path}"
                yield Problem(path=where, message=f"{value} is {other}'s, too")


def _elsewhere(environment: Environment, found: Mapping[str, Host]) -> Iterator[Problem]:
    """Hosts that another environment's inventory has, too."""
    for other in names(environment.root):
        if other == environment.name:
            continue
        try:
            theirs = hosts.load(find(other, environment.root))
        except InvalidInput:
            continue  # its own run says so
        machines = {value: name for name, host in theirs.items() for value in _machine(host)}
        for name, host in found.items():
            shared = sorted(value for value in _machine(host) if value in machines)
            if name in theirs:
                shared.insert(0, "its name")
            if shared:
                message = f"is in inventories/{other}, too: {', '.join(shared)}"
                yield Problem(path=f"host_vars/{name}.yml", message=message)


def _machine(host: Host) -> set[str]:
    return {nic.mac for nic in host.nics} | {disk.serial for disk in host.disks}


def _listed(values: object) -> str:
    return ", ".join(sorted(map(str, values))) or "none"  # type: ignore[call-overload]
