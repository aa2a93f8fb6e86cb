"""What a stack declares, read from the engine's state: for pictures, prices and lists."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landfall.model.environment import Environment, cache_folder, find
from stacks import automation
from stacks.changes import plain
from stacks.settings import check_file
from stacks.toolchain import Toolchain, ensure

STACK = "pulumi:pulumi:Stack"
PROVIDERS = "pulumi:providers:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One resource of a stack.

    Attributes:
        urn: the engine's name of it.
        type: its type token.
        name: its name in the program.
        inputs: what the program says of it; a secret is `[secret]`.
        parent: the URN of the component that it is a part of, "" for the program itself.
        uses: URNs of the resources that it depends on.
        id: what AWS calls it.
    """

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any]
    parent: str
    uses: frozenset[str]
    id: str


@contextmanager
def risen(
    environment: Environment, tools: Toolchain, folder: Path
) -> Iterator[tuple[automation.Session, dict[str, object]]]:
    """The environment, brought up offline after those that it uses, and its outputs."""
    *used, own = used_first(environment)
    for each in used:
        with automation.offline(each, tools, folder, policies=None) as session:
            automation.up(session)
    with automation.offline(own, tools, folder, policies=None) as session:
        yield session, automation.up(session)


def rehearse(environment: Environment) -> tuple[Declared, ...]:
    """All that an environment declares, brought up offline into a state that is then forgotten."""
    tools = ensure(cache_folder(), on_progress=lambda _: None)
    with (
        tempfile.TemporaryDirectory(prefix="landfall-declared-") as folder,
        risen(environment, tools, Path(folder)) as (session, _),
    ):
        return of_state(automation.export(session))


def of_state(deployment: Mapping[str, Any]) -> tuple[Declared, ...]:
    """The resources of an exported state, without the stack itself and the providers."""
    return tuple(_resources(deployment))


def ancestors(of: Declared, among: Mapping[str, Declared]) -> Iterator[Declared]:
    """The components that a resource is a part of, the nearest first."""
    parent = among.get(of.parent)
    while parent is not None:
        yield parent
        parent = among.get(parent.parent)


def used_first(environment: Environment) -> Iterator[Environment]:
    """The environment, and before it those whose outputs it uses."""
    used = check_file(environment).settings.registry
    if used and used.environment:
        yield from used_first(find(used.environment, environment.root))
    yield environment


def _resources(deployment: Mapping[str, Any]) -> Iterator[Declared]:
    for each in deployment.get("resources") or ():
        if each["type"] == STACK or each["type"].startswith(PROVIDERS) or each.get("delete"):
            continue
        parent = each.get("parent", "")
        yield Declared(
            urn=each["urn"],
            type=each["type"],
            name=each["urn"].rpartition("::")[2],
            inputs=plain(each.get("inputs") or {}),
            parent="" if f"::{STACK}::" in parent else parent,
            uses=frozenset(each.get("dependencies") or ()),
            id=each.get("id", ""),
        )
