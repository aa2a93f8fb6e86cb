"""One rule for each module, as `RULE`. A module that is here is in the pack; nothing lists them."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from stacks.policy.rule import Rule


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule of the pack, by name."""
    modules = (
        importlib.import_module(f"{__name__}.{each.name}")
        for each in pkgutil.iter_modules(__path__)
    )
    return tuple(sorted((module.RULE for module in modules), key=lambda rule: rule.name))
