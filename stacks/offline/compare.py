"""What differs between two sets of inputs, path by path, before any rule says what it means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from stacks.offline import equality
from stacks.offline.prepare import FILLED
from stacks.offline.semantics import Rules
from stacks.offline.wire import SIGNATURE_KEY, Properties, is_unknown

PLAIN_NAME = re.compile(r"[A-Za-z_$][\w$]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One path whose value differs. `pattern` is the path without indices, as in the table."""

    path: str
    pattern: str
    old: Any
    new: Any
    from_inputs: bool = True
    """Whether the old value was written by the program, rather than kept from state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The two versions of a resource that are compared. Secrets are already opened."""

    rules: Rules
    state: Properties
    old_inputs: Properties
    new_inputs: Properties
    account: str = ""

    def old(self, name: str) -> Any:
        """The value of a top-level property now, whoever has set it."""
        given = self.old_inputs.get(name)
        if given is None and name in self.rules.optional_computed:
            given = self.state.get(name)
        return self.rules.default(name) if given is None else given

    def new(self, name: str) -> Any:
        """The value that a top-level property is to have."""
        given = self.new_inputs.get(name)
        if given is None and name in self.rules.optional_computed:
            return self.old(name)
        return self.rules.default(name) if given is None else given

    def differs(self, *names: str) -> bool:
        """Whether any of these top-level properties changes."""
        return any(change for name in names for change in _property(self, name))


def compare(sides: Sides) -> list[Change]:
    """Every difference, sorted by property."""
    names = (sides.old_inputs.keys() | sides.new_inputs.keys()) - {FILLED}
    return [change for name in sorted(names) for change in _property(sides, name)]


def blank(value: Any, rules: Rules) -> bool:
    """Whether a value is the same as none at all.

    In the older of the two kinds of Terraform resource an empty or zero value cannot be told from
    an unset one; in the newer kind it can. Of a type that is not in the table nothing is assumed.
    """
    if rules.known and not rules.plugin_framework:
        return value in (None, "", 0, [], {})
    return value is None


def _property(sides: Sides, name: str) -> Iterator[Change]:
    old, new = sides.old_inputs.get(name), sides.new_inputs.get(name)
    spot = Spot(rules=sides.rules, path=name, pattern=name, state=sides.state.get(name))
    yield from _walk(spot, old, new)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A place in the properties of a resource, and what the state holds there."""

    rules: Rules
    path: str
    pattern: str
    state: Any

    def member(self, name: str) -> Spot:
        """The place of a property of an object, or of a key of a map."""
        ending = f".{name}" if PLAIN_NAME.fullmatch(name) else f'["{name}"]'
        state = self.state.get(name) if isinstance(self.state, dict) else None
        pattern = f"{self.pattern}.{name}"
        return replace(self, path=f"{self.path}{ending}", pattern=pattern, state=state)

    def element(self, index: int) -> Spot:
        """The place of an element of a list."""
        known = isinstance(self.state, list) and index < len(self.state)
        state = self.state[index] if known else None
        path, pattern = f"{self.path}[{index}]", f"{self.pattern}[]"
        return replace(self, path=path, pattern=pattern, state=state)


def _walk(spot: Spot, old: Any, new: Any) -> Iterator[Change]:
    """The differences at and below one place."""
    given, kept = old is not None, spot.pattern in spot.rules.optional_computed
    if new is None and kept:
        return
    default = spot.rules.nested_defaults.get(spot.pattern, spot.rules.default(spot.pattern))
    old = (spot.state if kept else default) if old is None else old
    new = default if new is None else new
    if _same(spot, old, new, kept=kept):
        return
    if isinstance(old, dict) and isinstance(new, dict) and SIGNATURE_KEY not in {**old, **new}:
        for name in sorted((old.keys() | new.keys()) - {FILLED}):
            yield from _walk(spot.member(name), old.get(name), new.get(name))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _elements(spot, old, new)
    else:
        yield Change(path=spot.path, pattern=spot.pattern, old=old, new=new, from_inputs=given)


def _elements(spot: Spot, old: list[Any], new: list[Any]) -> Iterator[Change]:
    pairs: list[tuple[int, Any, Any]]
    if spot.pattern in equality.sets(spot.rules.token):
        pairs = _pairs_of_sets(old, new)
    else:
        pairs = [(index, *pair) for index, pair in enumerate(zip_longest(old, new))]
    for index, before, after in pairs:
        there = spot.element(index)
        if before is None or after is None:
            yield Change(path=there.path, pattern=there.pattern, old=before, new=after)
        else:
            yield from _walk(there, before, after)


def _pairs_of_sets(old: list[Any], new: list[Any]) -> list[tuple[int, Any, Any]]:
    """Elements that are on one side only, paired in order of appearance, with an index."""
    olds, news = [_key(each) for each in old], [_key(each) for each in new]
    gone = [(index, old[index]) for index, key in enumerate(olds) if key not in news]
    come = [(index, new[index]) for index, key in enumerate(news) if key not in olds]
    pairs = []
    for before, after in zip_longest(gone, come, fillvalue=(-1, None)):
        index = after[0] if after[0] >= 0 else before[0]
        pairs.append((index, before[1], after[1]))
    return pairs


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def _same(spot: Spot, old: Any, new: Any, *, kept: bool) -> bool:
    rules, pattern = spot.rules, spot.pattern
    if is_unknown(new):
        return False
    if type(old) is type(new) and old == new:
        return True
    if not kept and blank(old, rules) and blank(new, rules):
        return True
    if pattern in rules.json_strings and equality.same_document(old, new):
        return True
    return pattern in rules.suppressed and equality.equal(rules.token, pattern, old, new)
