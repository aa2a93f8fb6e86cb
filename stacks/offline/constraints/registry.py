"""All rules, by resource type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from landfall.errors import Problem
from stacks.offline.constraints import compute, eks, money, network, policies, storage, vpn
from stacks.offline.constraints.limits import limits, within_limits
from stacks.offline.constraints.view import View

Rule = Callable[[View], Iterator[Problem]]

MODULES = (compute, eks, money, network, policies, storage, vpn)


@cache
def rules_of(token: str) -> tuple[Rule, ...]:
    """The rules of a resource type."""
    found = [rule for module in MODULES for rule in module.RULES.get(token, ())]
    if any(token in limit.types for limit in limits()):
        found.insert(0, within_limits)
    return tuple(found)


def problems(view: View) -> list[Problem]:
    """Everything that AWS would refuse about a resource."""
    return [problem for rule in rules_of(view.token) for problem in rule(view)]
