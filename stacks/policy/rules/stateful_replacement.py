"""What holds data is not replaced or deleted without being named."""

import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from landfall.model.change import Change, Half, Kind
from stacks.policy.rule import Finding, Rule, Severity
from stacks.policy.settings import PolicySettings

DATA = Path(__file__).parent.parent / "data" / "stateful.toml"
LOSING = (Kind.REPLACE, Kind.DELETE)


@cache
def stateful() -> dict[str, str]:
    """The types whose loss is a loss of data, each with where that is known from."""
    types: dict[str, str] = tomllib.loads(DATA.read_text(encoding="utf-8"))["types"]
    return types


def check(changes: Iterable[Change], settings: PolicySettings) -> Iterator[Finding]:
    """Each replacement or deletion of such a type, where the environment does not allow them."""
    if settings.stateful_replacement:
        return
    for change in changes:
        kind, _, name = change.target.partition(" ")
        if change.half is Half.CLOUD and change.kind in LOSING and kind in stateful():
            why = f" ({'; '.join(change.reasons)})" if change.reasons else ""
            message = f"would be lost by {change.kind}{why}; name it in an exemption"
            yield Finding(path="", message=message, urn=f"{kind}::{name}")


RULE = Rule(
    name="stateful-replacement",
    description="No resource that holds data is replaced or deleted without a named exemption.",
    severity=Severity.CRITICAL,
    supports=("CP-9", "CP-10", "CM-3(2)", "164.312(c)(1)", "GDPR 32", "DORA 12"),
    remedy="Change the plan, or name the resource in an exemption with a reason and a day.",
    unknown="nothing is: the engine says what it would replace",
    check_changes=check,
)
