"""A resource as rules see it: what is known of it, and the other resources of the run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stacks.offline.wire import UNKNOWN, Properties


@dataclass(slots=True, kw_only=True)
class Planned:
    """A resource that the program of this run declares. `id` is "" while it has none."""

    token: str
    inputs: Properties
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One resource to judge. Secrets are opened: no message may hold a value.

    Attributes:
        token: its type.
        inputs: its properties, with defaults.
        region: where it will be.
        others: the other resources of the run, by URN.
    """

    token: str
    inputs: Properties
    region: str = ""
    others: Mapping[str, Planned] = field(default_factory=dict)

    def get(self, path: str) -> Any:
        """The value at a path such as `vpcConfig.subnetIds`; None where it is not (yet) known."""
        return at(self.inputs, path)

    def get_or(self, path: str, default: Any) -> Any:
        """The value at a path, the default where it is absent, None where it is not known yet."""
        where, _, name = path.rpartition(".")
        inside = at(self.inputs, where) if where else self.inputs
        found = inside.get(name) if isinstance(inside, dict) else None
        return None if found is UNKNOWN else default if found is None else found

    def has(self, name: str) -> bool:
        """Whether a top-level property is set to anything, known or not."""
        return self.inputs.get(name) not in (None, "", [], {})

    def each(self, pattern: str) -> Iterator[tuple[str, Any]]:
        """The known values at a pattern such as `ingress[].fromPort`, each with its path."""
        yield from each(self.inputs, pattern)

    def found(self, reference: str, token: str, *, by: str = "id") -> list[Planned]:
        """The resources that a property may refer to: see the package's docstring.

        `by` is the property of the other that the reference holds: its id, or a name.
        """
        value = self.inputs.get(reference)
        of_type = [other for other in self.others.values() if other.token == token]
        if value is UNKNOWN:
            return of_type
        return [each for each in of_type if value in (each.id, each.inputs.get(by)) and value]


def at(values: Any, path: str) -> Any:
    """The value at a path, or None where it is absent or not known yet."""
    for name in path.split("."):
        values = values.get(name) if isinstance(values, dict) else None
    return None if values is UNKNOWN else values


def each(values: Any, pattern: str, path: str = "") -> Iterator[tuple[str, Any]]:
    """The known values at a pattern, each with its path."""
    if values is None or values is UNKNOWN:
        return
    head, _, rest = pattern.partition(".")
    if not head:
        yield path, values
    elif isinstance(values, dict):
        name = head.removesuffix("[]")
        where = f"{path}.{name}" if path else name
        inner = values.get(name)
        if not head.endswith("[]"):
            yield from each(inner, rest, where)
        elif isinstance(inner, list):
            for index, element in enumerate(inner):
                yield from each(element, rest, f"{where}[{index}]")


def words(values: Iterable[Any], last: str = "or") -> str:
    """`a, b or c`."""
    *first, final = [str(value) for value in values]
    return f"{', '.join(first)} {last} {final}" if first else final


def version(text: Any) -> tuple[int, ...] | None:
    """The numbers of a version such as "1.33", or None where it is none."""
    if not isinstance(text, str) or not re.fullmatch(r"\d+(\.\d+)*", text):
        return None
    return tuple(int(part) for part in text.split("."))
