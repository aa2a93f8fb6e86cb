"""`aws.iam.get_policy_document`, computed as the provider computes it: no account is needed.

The rules are the `json_rules` of the table: key order, descending lists, one element as a plain
string, the way documents are merged.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from landfall.errors import Problem
from stacks.offline.wire import Properties

VERSION = "2012-10-17"
OLD_VERSION = "2008-10-17"

KEYS = (
    "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal",
    "NotPrincipal", "Condition",
)  # fmt: skip
"""The order in which a statement's keys are written."""

ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}

Statement = dict[str, Any]


def document(inputs: Properties) -> tuple[Properties, list[Problem]]:
    """The result of the function, and what is wrong with its inputs."""
    problems = _problems(inputs)
    if problems:
        return {}, problems
    version = inputs.get("version") or VERSION
    own: dict[str, Any] = {"Version": version, "Id": inputs.get("policyId") or ""}
    own["Statement"] = [_statement(each) for each in inputs.get("statements") or ()]
    merged: dict[str, Any] = {"Version": "", "Id": "", "Statement": []}
    sources = [_parsed(text) for text in inputs.get("sourcePolicyDocuments") or ()]
    overrides = [_parsed(text) for text in inputs.get("overridePolicyDocuments") or ()]
    for each in (*sources, own, *overrides):
        _merge(merged, each)
    ordered = {key: merged[key] for key in ("Version", "Id", "Statement") if merged[key]}
    text = _escaped(json.dumps(ordered, indent=2, ensure_ascii=False))
    short = _escaped(json.dumps(ordered, separators=(",", ":"), ensure_ascii=False))
    result = {
        **inputs,
        "id": str(zlib.crc32(text.encode())),
        "json": text,
        "minifiedJson": short,
        "version": version,
    }
    return result, []


def _problems(inputs: Properties) -> list[Problem]:
    found = []
    for name in ("overrideJson", "sourceJson"):
        if inputs.get(name):
            found.append(Problem(path=name, message="must be empty; it is no longer supported"))
    for name in ("sourcePolicyDocuments", "overridePolicyDocuments"):
        for index, text in enumerate(inputs.get(name) or ()):
            if not _is_document(text):
                found.append(Problem(path=f"{name}[{index}]", message="must be a JSON object"))
    for path in ("statements", "sourcePolicyDocuments"):
        sids = _sids(inputs, path)
        for sid in sorted({sid for sid in sids if sid and sids.count(sid) > 1}):
            found.append(Problem(path=path, message=f"Sid {sid} is used more than once"))
    if inputs.get("version") == OLD_VERSION and "&{" in json.dumps(inputs.get("statements") or ()):
        found.append(Problem(path="version", message=f"variables need {VERSION}"))
    return found


def _sids(inputs: Properties, path: str) -> list[str]:
    if path == "statements":
        return [each.get("sid") or "" for each in inputs.get(path) or ()]
    texts = [text for text in inputs.get(path) or () if _is_document(text)]
    return [each.get("Sid", "") for text in texts for each in _parsed(text)["Statement"]]


def _is_document(text: Any) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (TypeError, ValueError):
        return False


def _statement(given: Mapping[str, Any]) -> Statement:
    made = {
        "Sid": given.get("sid") or "",
        "Effect": given.get("effect") or "Allow",
        "Action": _names(given.get("actions")),
        "NotAction": _names(given.get("notActions")),
        "Resource": _names(_variables(given.get("resources"))),
        "NotResource": _names(_variables(given.get("notResources"))),
        "Principal": _principals(given.get("principals") or ()),
        "NotPrincipal": _principals(given.get("notPrincipals") or ()),
        "Condition": _conditions(given.get("conditions") or ()),
    }
    return {key: value for key, value in made.items() if value}


def _names(values: Iterable[str] | None) -> Any:
    return _single(sorted(set(values or ()), reverse=True))


def _single(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _variables(values: Iterable[str] | None) -> list[str]:
    """`&{aws:username}` is how a program writes a variable that IAM is to replace."""
    return [value.replace("&{", "${") for value in values or ()]


def _principals(blocks: Iterable[Mapping[str, Any]]) -> Any:
    kinds: dict[str, list[str]] = {}
    for block in blocks:
        names = sorted(_variables(block["identifiers"]), reverse=True)
        kinds.setdefault(block["type"], []).extend(names)
    if kinds == {"*": ["*"]}:
        return "*"
    return {kind: _single(kinds[kind]) for kind in sorted(kinds)}


def _conditions(blocks: Iterable[Mapping[str, Any]]) -> Any:
    tests: dict[str, dict[str, list[str]]] = {}
    for block in blocks:
        values = tests.setdefault(block["test"], {}).setdefault(block["variable"], [])
        values.extend(_variables(block["values"]))
    return {
        test: {name: _single(tests[test][name]) for name in sorted(tests[test])}
        for test in sorted(tests)
    }


def _parsed(text: str) -> dict[str, Any]:
    found = json.loads(text)
    statements = found.get("Statement") or []
    statements = statements if isinstance(statements, list) else [statements]
    return {
        "Version": found.get("Version", ""),
        "Id": found.get("Id", ""),
        "Statement": [_reparsed(each) for each in statements],
    }


def _reparsed(given: Mapping[str, Any]) -> Statement:
    made = {key: given[key] for key in KEYS if given.get(key)}
    for key in ("Principal", "NotPrincipal"):
        if isinstance(made.get(key), str):
            made[key] = "*"
        elif key in made:
            made[key] = {kind: _descending(made[key][kind]) for kind in sorted(made[key])}
    if "Condition" in made:
        made["Condition"] = {
            test: {name: _texts(values[name]) for name in sorted(values)}
            for test, values in sorted(made["Condition"].items())
        }
    return made


def _descending(value: Any) -> Any:
    return sorted(value, reverse=True) if isinstance(value, list) else value


def _texts(value: Any) -> Any:
    values = value if isinstance(value, list) else [value]
    return _single([str(each).lower() if isinstance(each, bool) else each for each in values])


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    into["Id"] = other["Id"] or into["Id"]
    into["Version"] = max(into["Version"], other["Version"])
    for statement in other["Statement"]:
        sids = [each.get("Sid") for each in into["Statement"]]
        sid = statement.get("Sid")
        if sid and sid in sids:
            into["Statement"][sids.index(sid)] = statement
        else:
            into["Statement"].append(statement)


def _escaped(text: str) -> str:
    for character, escape in ESCAPES.items():
        text = text.replace(character, escape)
    return text
