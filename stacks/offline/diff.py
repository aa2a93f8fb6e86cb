"""What a change of inputs does to a resource: nothing, an update in place, or a replacement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stacks.offline.compare import Change, Sides, blank, compare
from stacks.offline.conditions import Verdict, verdict
from stacks.offline.prepare import FILLED
from stacks.offline.semantics import Rules, root
from stacks.offline.wire import UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One difference and whether it forces a replacement."""

    change: Change
    replaces: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The answer to a diff. `notes` are warnings for the person who reads the preview."""

    effects: tuple[Effect, ...]
    delete_first: bool
    stable: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def replaces(self) -> tuple[str, ...]:
        """The top-level properties that force the replacement."""
        return _roots(effect.change.path for effect in self.effects if effect.replaces)

    @property
    def changed(self) -> tuple[str, ...]:
        """The top-level properties that differ."""
        return _roots(effect.change.path for effect in self.effects)


def diff(sides: Sides) -> Difference:
    """Compare two versions of one resource."""
    judged = [(change, judge(sides, change)) for change in compare(sides)]
    effects = tuple(
        Effect(change=change, replaces=found is Verdict.REPLACE)
        for change, found in judged
        if found is not Verdict.NOTHING
    )
    changed = {root(effect.change.path) for effect in effects}
    replaced = any(effect.replaces for effect in effects)
    return Difference(
        effects=effects,
        delete_first=replaced and _deletes_first(sides),
        stable=tuple(sorted(sides.rules.replace - changed)),
        notes=tuple(_notes(sides.rules, effects)),
    )


def judge(sides: Sides, change: Change) -> Verdict:
    """What one difference does, by the table's rules."""
    rules = sides.rules
    for name, conditional in rules.conditional.items():
        if any(_below(change.pattern, path) for path in conditional.paths):
            return verdict(sides, change, name)
    return Verdict.REPLACE if _replaces(rules, change) else Verdict.UPDATE


def _replaces(rules: Rules, change: Change) -> bool:
    pattern, top = change.pattern, root(change.pattern)
    if top in rules.replace and top not in rules.block_replace:
        return True
    plain = rules.nested_replace - rules.block_replace
    if pattern in plain or any(_below(pattern, path) for path in plain):
        return True
    if change.new is UNKNOWN:
        return any(_below(path, pattern) for path in rules.nested_replace | rules.block_replace)
    appears = blank(change.old, rules) or blank(change.new, rules)
    if appears and pattern.removesuffix("[]") in rules.block_replace:
        return True
    return appears and _brings_replacing_leaf(rules, change)


def _brings_replacing_leaf(rules: Rules, change: Change) -> bool:
    """Whether a block that comes or goes holds a value that may never change."""
    present = change.old if blank(change.new, rules) else change.new
    plain = rules.nested_replace - rules.block_replace
    return any(
        any(_below(pattern, path) for path in plain) for pattern in _leaves(present, change.pattern)
    )


def _leaves(value: object, pattern: str) -> Iterator[str]:
    """The patterns of all values inside a block that are not empty."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(each, f"{pattern}.{name}")
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, f"{pattern}[]")
    elif value not in (None, "", 0):
        yield pattern


def _below(pattern: str, path: str) -> bool:
    """Whether a pattern is the path itself or lies inside it."""
    return pattern == path or pattern.startswith((f"{path}.", f"{path}["))


def _deletes_first(sides: Sides) -> bool:
    rules, inputs = sides.rules, sides.new_inputs
    if rules.delete_before_replace:
        return True
    autoname = rules.autoname
    if autoname is None or not autoname.counts_as_named:
        return False
    return autoname.prop in inputs and autoname.prop not in inputs.get(FILLED, ())


def _notes(rules: Rules, effects: tuple[Effect, ...]) -> Iterator[str]:
    if effects and not rules.known:
        yield (
            f"offline: what replaces {rules.token} is not known here, so this change is shown as "
            "an update; AWS may replace the resource"
        )
    for effect in effects:
        if rules.unverified & {effect.change.pattern, root(effect.change.path)}:
            yield (
                f"offline: whether a change of {effect.change.path} replaces {rules.token} is not "
                "known here; it is shown as an update"
            )


def _roots(paths: Iterator[str]) -> tuple[str, ...]:
    return tuple(sorted({root(path) for path in paths}))
