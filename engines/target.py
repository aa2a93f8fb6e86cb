"""What an engine is made for: a CPU, or GPUs of one kind, and where a site has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from engines import catalog
from engines.catalog import Gpu

CPU_NAME = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A host of a site, as its inventory promises it.

    Attributes:
        gpu: the driver's name of its GPUs; empty where it has none.
        count: of GPUs.
        groups: of the inventory that it is in.
        memory_gib: of the host.
    """

    name: str
    gpu: str = ""
    count: int = 0
    groups: frozenset[str] = frozenset()
    memory_gib: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One kind of hardware that an engine is made for.

    Attributes:
        name: `cpu`, or a GPU of the catalog.
        servers: of the site that have it; none where no site was asked.
    """

    name: str
    servers: tuple[Server, ...] = ()

    @property
    def gpu(self) -> Gpu | None:
        """What is known about the GPU; None for a CPU."""
        return catalog.gpus().get(self.name)

    @property
    def most(self) -> int:
        """The most GPUs that one server has; 0 where none is known."""
        return max((each.count for each in self.servers), default=0)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names of the servers."""
        return tuple(each.name for each in self.servers)


CPU = Target(name=CPU_NAME)


def resolve(wanted: Sequence[str], servers: Iterable[Server]) -> tuple[Target, ...]:
    """The targets that a site has, each once: words of a spec become kinds of hardware.

    A GPU that no server has is left out; so is a group that is not there.
    """
    there = tuple(servers)
    found: dict[str, Target] = {}
    for word in wanted:
        for target in _of(word, there):
            before = found.get(target.name)
            known = before.servers if before else ()
            added = tuple(each for each in target.servers if each not in known)
            found[target.name] = Target(name=target.name, servers=known + added)
    return tuple(found.values())


def anywhere(wanted: Sequence[str]) -> tuple[Target, ...]:
    """The targets by their names alone, where no site is asked; groups are left out."""
    known = (CPU_NAME, *catalog.gpus())
    return tuple(Target(name=word) for word in wanted if word in known)


def _of(word: str, servers: tuple[Server, ...]) -> Iterator[Target]:
    if word == CPU_NAME:
        yield Target(name=CPU_NAME, servers=servers)
        return
    by_driver = {gpu.driver_name: gpu.name for gpu in catalog.gpus().values()}
    for server in servers:
        name = by_driver.get(server.gpu, "")
        if name and word in {name, *server.groups}:
            yield Target(name=name, servers=(server,))
