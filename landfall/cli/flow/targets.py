"""Which hardware a site has for an engine: from its inventory, without asking a host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engines import target
from engines.spec import EngineSpec
from engines.target import CPU, CPU_NAME, Server, Target
from landfall.errors import LandfallError
from landfall.model import host
from landfall.model.environment import Environment, find, names
from landfall.model.gpu import full_name
from landfall.model.parsing import read_yaml


def of(environment: Environment, wanted: EngineSpec) -> tuple[Target, ...]:
    """The targets of a spec that the site has; every site has processors.

    Raises:
        InvalidInput: the inventory is wrong.
    """
    if wanted.target == (CPU_NAME,):
        return (CPU,)
    return target.resolve(wanted.target, servers(environment))


def require(environment: Environment, wanted: EngineSpec) -> tuple[Target, ...]:
    """The same, where there must be one.

    Raises:
        LandfallError: the site has none; says which has.
    """
    found = of(environment, wanted)
    if found:
        return found
    asked = ", ".join(wanted.target)
    elsewhere = [
        name
        for name in names(environment.root)
        if name != environment.name and of(find(name, environment.root), wanted)
    ]
    have = f"{', '.join(elsewhere)} has" if len(elsewhere) == 1 else f"{', '.join(elsewhere)} have"
    raise LandfallError(
        f"the site of {environment.name} has no {asked}",
        hint=f"{have} one: give --env." if elsewhere else "No environment's inventory has one.",
    )


def first(wanted: EngineSpec, environment: Environment) -> Environment:
    """`environment` where its site has a target of the spec, else the first that has one."""
    order = [environment.name, *(name for name in names(environment.root))]
    for name in dict.fromkeys(order):
        there = find(name, environment.root)
        if of(there, wanted):
            return there
    return environment


def servers(environment: Environment) -> tuple[Server, ...]:
    """The hosts of the inventory with what they promise.

    Raises:
        InvalidInput: the inventory is wrong.
    """
    groups = _groups(read_yaml(environment.inventory / "hosts.yml"))
    return tuple(
        Server(
            name=name,
            gpu=full_name(gpu.model),
            count=gpu.count,
            groups=frozenset(groups.get(name, ())),
            memory_gib=promised.memory_gib.min if promised.memory_gib else 0.0,
        )
        for name, promised in host.load(environment).items()
        for gpu in promised.gpus
    )


def _groups(inventory: Any, above: frozenset[str] = frozenset()) -> dict[str, set[str]]:
    """The groups of every host: Ansible's tree of `children` and `hosts`."""
    found: dict[str, set[str]] = {}
    if not isinstance(inventory, Mapping):
        return found
    for group, told in inventory.items():
        here = above | {str(group)}
        inner = told if isinstance(told, Mapping) else {}
        for name in inner.get("hosts") or {}:
            found.setdefault(str(name), set()).update(here)
        for name, groups in _groups(inner.get("children"), here).items():
            found.setdefault(name, set()).update(groups)
    return found
