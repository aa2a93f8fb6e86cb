"""A server's network interfaces, from its ports and bonds to VLANs, addresses and routes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from landfall.errors import InvalidInput, Problem
from landfall.model.host import Bond, Host, Nic
from landfall.model.network import Network
from landfall.model.site import Site

NAME_MAX = 15
"""Characters of an interface's name (the kernel's IFNAMSIZ, less its end)."""

TABLE = 1000
"""Routing tables of networks with a router of their own begin here; the kernel's are below 256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """A network's router, as one address uses it.

    `table` is 0 for the host's default route. Every other router answers only for traffic that
    leaves from an address of its own network, so that replies go back the way requests came.
    """

    address: IPv4Address
    table: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An address of the host, with its network's name, prefix length, router and peers."""

    network: str
    address: IPv4Interface
    router: Router | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One interface: a port, a bond, or a VLAN on one of them.

    Attributes:
        port: the hardware, for a port.
        bond: how it is put together, for a bond.
        member_of: the bond that a port is in.
        vlan: its id, for a VLAN; `vlans` are the names of those that it carries.
    """

    name: str
    mtu: int
    port: Nic | None = None
    bond: Bond | None = None
    member_of: str = ""
    vlan: int | None = None
    vlans: tuple[str, ...] = ()
    placed: tuple[Placed, ...] = ()


def interfaces(host: Host, site: Site) -> tuple[Interface, ...]:
    """Every interface of `host` that its addresses need, ports first. None without addresses.

    Raises:
        InvalidInput: a name is too long, or two networks share an interface without VLANs and
            differ in their MTU.
    """
    if not host.addresses:
        return ()
    problems = [*_problems(host, site)]
    if problems:
        raise InvalidInput("host", problems)
    placed = _placed(host, site)
    carriers = {each.interface for each in host.addresses}
    bonds = [each for each in host.bonds if each.name in carriers]
    member_of = {member: bond.name for bond in bonds for member in bond.members}
    ports = [each for each in host.nics if each.name in carriers or each.name in member_of]
    return (
        *(
            Interface(
                name=port.name,
                mtu=port.mtu,
                port=port,
                member_of=member_of.get(port.name, ""),
                vlans=_vlans(port.name, host, site),
                placed=placed.get(port.name, ()),
            )
            for port in ports
        ),
        *(
            Interface(
                name=bond.name,
                mtu=bond.mtu,
                bond=bond,
                vlans=_vlans(bond.name, host, site),
                placed=placed.get(bond.name, ()),
            )
            for bond in bonds
        ),
        *_vlan_interfaces(host, site, placed),
    )


def interface_of(parent: str, network: Network) -> str:
    """The name of the interface that carries `network` on a port or bond."""
    return parent if network.vlan is None else f"{parent}.{network.vlan}"


def _placed(host: Host, site: Site) -> Mapping[str, tuple[Placed, ...]]:
    """The addresses on each interface. The first network with a router has the default route."""
    order = list(site.networks)
    routed = sorted(
        {each.network for each in host.addresses if site.networks[each.network].gateway},
        key=order.index,
    )
    found: dict[str, tuple[Placed, ...]] = {}
    for each in host.addresses:
        network = site.networks[each.network]
        router = None
        if network.gateway is not None:
            rank = routed.index(each.network)
            router = Router(address=network.gateway, table=TABLE + rank if rank else 0)
        name = interface_of(each.interface, network)
        address = IPv4Interface(f"{each.address}/{network.range.prefixlen}")
        made = Placed(network=each.network, address=address, router=router)
        found[name] = (*found.get(name, ()), made)
    return found


def _vlans(parent: str, host: Host, site: Site) -> tuple[str, ...]:
    carried = [site.networks[each.network] for each in host.addresses if each.interface == parent]
    names = [interface_of(parent, network) for network in carried if network.vlan is not None]
    return tuple(dict.fromkeys(names))


def _vlan_interfaces(
    host: Host, site: Site, placed: Mapping[str, tuple[Placed, ...]]
) -> Iterator[Interface]:
    seen = set()
    for each in host.addresses:
        network = site.networks[each.network]
        name = interface_of(each.interface, network)
        if network.vlan is not None and name not in seen:
            seen.add(name)
            yield Interface(name=name, mtu=network.mtu, vlan=network.vlan, placed=placed[name])


def _problems(host: Host, site: Site) -> Iterator[Problem]:
    untagged: dict[str, str] = {}
    for index, each in enumerate(host.addresses):
        path = f"host.addresses.{index}"
        network = site.networks.get(each.network)
        if network is None:
            yield Problem(path=f"{path}.network", message=f"no network {each.network}")
            continue
        name = interface_of(each.interface, network)
        if len(name) > NAME_MAX:
            message = f"{name} is longer than {NAME_MAX} characters; give a shorter interface name"
            yield Problem(path=f"{path}.interface", message=message)
        if network.vlan is None:
            other = untagged.setdefault(each.interface, each.network)
            if other != each.network:
                message = (
                    f"{each.interface} carries {other} untagged already; "
                    f"give {each.network} a VLAN id or an interface of its own"
                )
                yield Problem(path=f"{path}.interface", message=message)
