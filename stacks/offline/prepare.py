"""What a provider adds to the inputs before it compares them: defaults, names, tags, region."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from stacks.offline.schema import ResourceSchema
from stacks.offline.semantics import Autoname, Rules
from stacks.offline.wire import UNKNOWN, Properties, Secret, is_secret, is_unknown, reveal

FILLED = "__defaults"
"""The input that lists which others were filled in, as every bridged provider writes it."""


SQLSERVER_HEX, SQLSERVER_LENGTH = 3, 15
"""A SQL Server identifier is shorter than the table's limit (its note on rds Instance)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the provider's configuration says: where it works and what every resource is tagged."""

    account: str
    region: str
    default_tags: Properties = field(default_factory=dict)
    ignored_tags: frozenset[str] = frozenset()
    ignored_prefixes: tuple[str, ...] = ()


def fill(
    news: Properties,
    olds: Properties,
    *,
    urn: str,
    schema: ResourceSchema,
    rules: Rules,
    around: Surroundings,
    replaced: str = "",
) -> Properties:
    """The inputs with everything that the provider fills in.

    `replaced` is the automatic name of the resource that this one replaces: the new name is
    derived from it, so that both can exist for a moment, and the same in preview and update.
    """
    inputs = {name: value for name, value in news.items() if value is not None}
    for name in rules.json_strings & inputs.keys():
        inputs[name] = json_text(inputs[name])
    filled = [*_add_defaults(inputs, rules), *_add_name(inputs, olds, urn, rules, replaced)]
    if "region" in schema.inputs and "region" not in inputs:
        inputs["region"] = around.region
    if "tagsAll" in schema.outputs and not rules.plugin_framework:
        inputs["tagsAll"] = all_tags(inputs.get("tags"), around)
    inputs[FILLED] = sorted(filled)
    return inputs


def json_text(value: Any) -> Any:
    """The JSON text of an object; a secret stays one. Strings and unknown values pass."""
    plain = reveal(value)
    if is_unknown(value):
        return UNKNOWN
    if isinstance(plain, str):
        return value
    text = json.dumps(plain, separators=(",", ":"), ensure_ascii=False)
    return Secret(text) if is_secret(value) else text


def all_tags(tags: Any, around: Surroundings) -> Any:
    """The provider's default tags with the resource's own on top, less the ignored ones."""
    own = tags.value if isinstance(tags, Secret) else tags
    if own is UNKNOWN:
        return UNKNOWN
    merged = {**around.default_tags, **(own or {})}
    kept = {
        name: value
        for name, value in merged.items()
        if name not in around.ignored_tags and not name.startswith(around.ignored_prefixes)
    }
    return Secret(kept) if isinstance(tags, Secret) else kept


def _add_defaults(inputs: Properties, rules: Rules) -> list[str]:
    """Add the defaults that a bridged provider writes into inputs; return their names.

    False, 0 and the empty string are not written, nor anything of a plugin-framework type: those
    defaults appear in outputs only.
    """
    if rules.plugin_framework:
        return []
    named = rules.autoname.prop if rules.autoname else ""
    added = []
    for name in rules.defaults:
        value = rules.default(name)
        if value and name not in inputs and name not in rules.deprecated and name != named:
            inputs[name] = value
            added.append(name)
    return added


def _add_name(
    inputs: Properties, olds: Properties, urn: str, rules: Rules, replaced: str
) -> list[str]:
    autoname = rules.autoname
    if autoname is None or autoname.prop in inputs or f"{autoname.prop}Prefix" in inputs:
        return []
    kept = olds.get(autoname.prop) if autoname.prop in olds.get(FILLED, ()) else None
    inputs[autoname.prop] = kept or automatic_name(urn, autoname, inputs, rules.token, replaced)
    return [autoname.prop]


def automatic_name(
    urn: str, autoname: Autoname, inputs: Properties, kind: str, replaced: str = ""
) -> str:
    """A name in the provider's form. Its hex digits come from the URN, so runs agree."""
    logical = urn.rpartition("::")[2]
    digest = hashlib.sha256(f"{urn}|{replaced}".encode()).hexdigest()
    digits, length = autoname.hex_digits, autoname.max_length
    ending = ".fifo" if reveal(inputs.get("fifoTopic") or inputs.get("fifoQueue")) is True else ""
    if kind == "aws:rds/instance:Instance" and "sqlserver" in str(reveal(inputs.get("engine"))):
        digits, length = SQLSERVER_HEX, SQLSERVER_LENGTH
    if digits == 0:
        return logical
    tail = f"{autoname.separator}{digest[:digits]}{ending}"
    name = f"{logical[: length - len(tail)]}{tail}" if length else f"{logical}{tail}"
    if kind == "aws:kms/alias:Alias":
        return f"alias/{name}"
    return name.lower() if kind == "aws:s3/bucket:Bucket" else name
