"""AWS's own rules, per resource type, from `data/aws_semantics.json` and `data/additions.toml`.

The table says which changes replace a resource, what defaults and names the provider fills in, and
what AWS computes. Its `source` part names the provider release and the commits that it was read
from; its `semantics` part says what each entry means. Property names are Pulumi's. A path below a
property is written as a pattern: `ingress[].fromPort`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent / "data" / "aws_semantics.json"
ADDITIONS = Path(__file__).parent / "data" / "additions.toml"

PROVIDER_REGION = "{provider region}"
"""How the table writes a default that is the provider's region."""

NO_TEXTS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional:
    """A property that replaces under a condition. `paths` are those that the condition decides."""

    text: str
    paths: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoname:
    """How the provider names a resource whose name was left out."""

    prop: str
    max_length: int
    separator: str
    hex_digits: int
    counts_as_named: bool
    """Whether an explicit name makes a replacement delete first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the table says about one resource type. `known` is False for types outside it."""

    token: str
    known: bool = False
    plugin_framework: bool = False
    replace: frozenset[str] = frozenset()
    conditional: Mapping[str, Conditional] = field(default_factory=dict)
    nested_replace: frozenset[str] = frozenset()
    block_replace: frozenset[str] = frozenset()
    optional_computed: frozenset[str] = frozenset()
    suppressed: frozenset[str] = frozenset()
    unverified: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    nested_defaults: Mapping[str, Any] = field(default_factory=dict)
    deprecated: frozenset[str] = frozenset()
    autoname: Autoname | None = None
    secret: frozenset[str] = frozenset()
    json_strings: frozenset[str] = frozenset()
    delete_before_replace: bool = False
    computed: Mapping[str, str] = field(default_factory=dict)
    computed_if: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> frozenset[str]:
        """The top-level properties that can force a replacement: what makes a resource itself."""
        nested = (*self.nested_replace, *self.block_replace)
        return self.replace | frozenset(self.conditional) | {root(path) for path in nested}

    def default(self, name: str) -> Any:
        """The default of a top-level property, or None. The region is not one."""
        value = self.defaults.get(name)
        return None if value == PROVIDER_REGION else value


def root(path: str) -> str:
    """The top-level property of a path or of a pattern."""
    return re.split(r"[.\[]", path, maxsplit=1)[0]


@cache
def rules(token: str) -> Rules:
    """The rules of a resource type; for a type outside the table, rules that know nothing."""
    entry = table()["types"].get(token)
    return Rules(token=token) if entry is None else _rules(token, entry)


@cache
def table() -> Mapping[str, Any]:
    """The whole table, with the types that were added to it."""
    found: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return found | {"types": found["types"] | additions()}


@cache
def additions() -> Mapping[str, Any]:
    """The types that the first table lacks, each with its source and its confidence."""
    return tomllib.loads(ADDITIONS.read_text(encoding="utf-8"))


def _rules(token: str, entry: Mapping[str, Any]) -> Rules:
    def names(*keys: str) -> frozenset[str]:
        return frozenset(name for key in keys for name in entry.get(key, ()))

    conditional: Mapping[str, Any] = entry.get("conditional_replace", {})
    return Rules(
        token=token,
        known=True,
        plugin_framework=entry.get("sdk") == "plugin-framework",
        replace=names("replace"),
        conditional={name: _conditional(name, each) for name, each in conditional.items()},
        nested_replace=names("nested_replace"),
        block_replace=names("block_replace"),
        optional_computed=names("optional_computed", "nested_optional_computed"),
        suppressed=names("diff_suppressed"),
        unverified=names("unverified_props", "unverified_nested"),
        defaults=entry.get("defaults", {}),
        nested_defaults=entry.get("nested_defaults", {}),
        deprecated=names("deprecated"),
        autoname=_autoname(entry.get("autoname")),
        secret=names("secret"),
        json_strings=names("json_string_props"),
        delete_before_replace=bool(entry.get("delete_before_replace")),
        computed=entry.get("computed", NO_TEXTS),
        computed_if=entry.get("computed_if", NO_TEXTS),
    )


def _conditional(name: str, entry: Mapping[str, Any]) -> Conditional:
    paths: Iterable[str] = entry.get("nested", (name,))
    return Conditional(text=entry["when"], paths=frozenset(paths))


def _autoname(entry: Mapping[str, Any] | None) -> Autoname | None:
    if entry is None:
        return None
    return Autoname(
        prop=entry["prop"],
        max_length=entry["maxLength"],
        separator=entry["separator"],
        hex_digits=entry["randomHex"],
        counts_as_named=entry["randomHex"] > 0,
    )
