"""Which table a type is in: billed, free, or in none."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from landfall.cost import compute, network, services, storage, tasks
from landfall.cost.rate import Gap, Rate, unpriced

FREE = Path(__file__).with_name("free.toml")

RATES: dict[str, Rate] = {
    **network.RATES,
    **compute.RATES,
    **tasks.RATES,
    **storage.RATES,
    **services.RATES,
}
"""By type, what is billed; see the modules."""

NO_TABLE = Gap(reason="this type is in no price table")


def rate(kind: str) -> Rate | None:
    """How resources of the type `kind` are billed; None where they are free."""
    if kind in RATES:
        return RATES[kind]
    return None if free(kind) else unpriced(NO_TABLE.reason)


def free(kind: str) -> str:
    """Why resources of the type `kind` cost nothing by themselves; nothing where they do."""
    types, prefixes = _free()
    if kind in types:
        return types[kind]
    return next((why for prefix, why in prefixes.items() if kind.startswith(prefix)), "")


@cache
def _free() -> tuple[dict[str, str], dict[str, str]]:
    written = tomllib.loads(FREE.read_text())["free"]
    types = {kind: each["why"] for each in written for kind in each.get("types", [])}
    prefixes = {each: part["why"] for part in written for each in part.get("prefixes", [])}
    return types, prefixes
