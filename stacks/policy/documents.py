"""Policy documents of AWS, read as statements."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stacks.policy.values import UNKNOWN, NotYetKnown


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement. `principals` has the values only, e.g. "*" or an ARN.

    `actions` and `resources` are what is written under Action or NotAction, Resource or
    NotResource; "Not" makes everything else be meant, which `negated` says.
    """

    where: str
    allows: bool
    principals: tuple[str, ...]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, Any]]
    negated: bool

    @property
    def for_anybody(self) -> bool:
        """Whether the statement allows something to every principal there is."""
        return self.allows and "*" in self.principals

    def condition_values(self, key: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each operator that tests `key`, with the values that it tests for."""
        for operator, tests in self.conditions.items():
            for name, values in tests.items():
                if name.lower() == key.lower():
                    yield operator, _texts(values)


def statements(text: Any, path: str) -> list[Statement]:
    """The statements of a document; of nothing, none.

    Raises:
        NotYetKnown: the document, or a part of it, is not known before `up`.
    """
    if text is UNKNOWN:
        raise NotYetKnown(path)
    if not text:
        return []
    document = text if isinstance(text, Mapping) else json.loads(text)
    found = document.get("Statement") or []
    listed = found if isinstance(found, list) else [found]
    return [
        _statement(each, f"{path} {each.get('Sid') or f'statement {index}'}")
        for index, each in enumerate(listed)
    ]


def _statement(written: Mapping[str, Any], where: str) -> Statement:
    return Statement(
        where=where,
        allows=written.get("Effect") == "Allow",
        principals=tuple(_principals(written.get("Principal"))),
        actions=_texts(written.get("Action", written.get("NotAction"))),
        resources=_texts(written.get("Resource", written.get("NotResource"))),
        conditions=written.get("Condition") or {},
        negated=any(name in written for name in ("NotAction", "NotResource", "NotPrincipal")),
    )


def _principals(written: Any) -> Iterator[str]:
    if isinstance(written, Mapping):
        for values in written.values():
            yield from _texts(values)
    else:
        yield from _texts(written)


def _texts(written: Any) -> tuple[str, ...]:
    if written is None:
        return ()
    return tuple(str(each) for each in (written if isinstance(written, list) else [written]))
