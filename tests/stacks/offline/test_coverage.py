"""Every type that any environment declares is in the table."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from landfall.model.environment import cache_folder, find, names
from stacks import automation
from stacks.declared import of_state, used_first
from stacks.offline import semantics
from stacks.toolchain import find as find_tools

pytestmark = pytest.mark.engine


def declared(root: Path) -> Iterator[tuple[str, str]]:
    """Each environment and each type in it; one state, so that stacks find those that they use."""
    tools = find_tools(cache_folder())
    assert tools is not None
    seen: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="landfall-coverage-") as folder:
        for name in names(root):
            for each in used_first(find(name, root)):
                if each.name in seen:
                    continue
                seen.add(each.name)
                with automation.offline(each, tools, Path(folder), policies=None) as session:
                    automation.up(session)
                    found = of_state(automation.export(session))
                yield from {(each.name, resource.type) for resource in found}


def test_every_type_that_the_environments_declare_is_in_the_table(checkout: Path) -> None:
    found = set(declared(checkout))
    assert {name for name, _ in found} == set(names(checkout))
    aws = {(name, token) for name, token in found if token.startswith("aws:")}
    assert len({token for _, token in aws}) > 40
    assert sorted(each for each in aws if not semantics.rules(each[1]).known) == []
