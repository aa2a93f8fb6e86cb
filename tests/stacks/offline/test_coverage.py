"""Every type that any environment declares is in the table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pulumi import automation as auto

from landfall.model.environment import cache_folder, find, names
from stacks import automation
from stacks.declared import used_first
from stacks.offline import semantics
from stacks.toolchain import find as find_tools

pytestmark = pytest.mark.engine


def declared(root: Path, state: Path) -> Iterator[tuple[str, str]]:
    """Each environment and each type in it. What others refer to is brought up, not planned."""
    tools = find_tools(cache_folder())
    assert tools is not None
    chains = [[each.name for each in used_first(find(name, root))] for name in names(root)]
    order = list(dict.fromkeys(name for chain in chains for name in chain))
    used = {name for chain in chains for name in chain[:-1]}
    for name in order:
        types: set[str] = set()

        def note(event: auto.EngineEvent, types: set[str] = types) -> None:
            if event.resource_pre_event:
                types.add(event.resource_pre_event.metadata.type)

        with automation.offline(find(name, root), tools, state, policies=None) as session:
            if name in used:
                automation.up(session, on_event=note)
            else:
                automation.preview(session, on_event=note)
        yield from ((name, token) for token in types)


def test_every_type_that_the_environments_declare_is_in_the_table(
    checkout: Path, tmp_path: Path
) -> None:
    found = set(declared(checkout, tmp_path / "state"))
    assert {name for name, _ in found} == set(names(checkout))
    aws = {(name, token) for name, token in found if token.startswith("aws:")}
    assert len({token for _, token in aws}) > 40
    assert sorted(each for each in aws if not semantics.rules(each[1]).known) == []
