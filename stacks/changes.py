"""From the engine's events to changes: structured events, never the text for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pulumi.automation import DiffKind, EngineEvent, OpType, PolicyEvent, StepEventMetadata

from landfall.model.change import SEVERITY_OF, Change, Detail, Half, Kind
from stacks.prices import Sides

SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"  # noqa: S105
"""The key that marks a secret in the engine's property values (pulumi sdk, resource.Sig)."""

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine writes for a string that is not known yet (pulumi sdk, UnknownStringValue)."""

KIND_OF: dict[str, Kind | None] = {
    "same": None,
    "create": Kind.CREATE,
    "update": Kind.UPDATE,
    "delete": Kind.DELETE,
    "replace": Kind.REPLACE,
    # The two halves of a replacement are counted once, by `replace`.
    "create-replacement": None,
    "delete-replaced": None,
    "discard-replaced": None,
    "read-replacement": None,
    "remove-pending-replace": None,
    "read": Kind.READ,
    "refresh": Kind.READ,
    "import": Kind.UPDATE,
    "import-replacement": Kind.REPLACE,
    "discard": Kind.READ,
}
"""What an operation means; one that is not here is unknown, never unchanged."""

LONGEST_VALUE = 200

Doubts = Callable[[str, str, Sequence[str]], tuple[str, ...]]
"""Why an operation on a type that changes these paths may turn out to be another."""


def certain(_type: str, _operation: str, _paths: Sequence[str]) -> tuple[str, ...]:
    """The doubts of a provider that knows all its types: none."""
    return ()


class Collector:
    """Takes a preview's events, one by one, and keeps what a report needs.

    What the provider has doubts about is a change of kind `unknown`.
    """

    def __init__(self, environment: str, doubts: Doubts = certain) -> None:
        self.environment = environment
        self._doubts = doubts
        self.changes: list[Change] = []
        self.unchanged = 0
        self.errors: list[str] = []
        self.faulty: set[str] = set()
        self.policy_failures: list[str] = []
        self.undecided: Counter[str] = Counter()
        self._sides = Sides(plain)

    def __call__(self, event: EngineEvent) -> None:
        """Take one event."""
        if event.resource_pre_event is not None:
            self._step(event.resource_pre_event.metadata)
        elif event.diagnostic_event is not None and event.diagnostic_event.severity == "error":
            self.errors.append(event.diagnostic_event.message.strip())
            # Without a URN it is the engine's last word, "preview failed", whatever the cause.
            self.faulty.update(filter(None, [event.diagnostic_event.urn]))
        elif event.policy_event is not None:
            self._policy(event.policy_event)

    @property
    def policy_notes(self) -> list[str]:
        """A sentence that names the policies that told something without forbidding anything."""
        listed = ", ".join(f"{name} ({number})" for name, number in sorted(self.undecided.items()))
        if not listed:
            return []
        return [f"Policies that this preview leaves open, in so many places: {listed}"]

    def price(self, training_hours: float) -> None:
        """Say of each change what it is worth a month; training runs so many hours."""
        self.changes = self._sides.price(self.changes, training_hours=training_hours)

    def _policy(self, event: PolicyEvent) -> None:
        if event.enforcement_level == "mandatory":
            name = (event.resource_urn or "").rpartition("::")[2]
            # The policy SDK puts the policy's description on a line of its own, before the finding.
            said = event.message.strip().partition("\n")[2] or event.message.strip()
            self.policy_failures.append(f"{event.policy_name}: {name}: {said}")
        else:
            self.undecided[event.policy_name] += 1

    def _step(self, step: StepEventMetadata) -> None:
        done = operation(step)
        kind = KIND_OF.get(done, Kind.UNKNOWN)
        if kind is not None or done == "same":
            self._sides.take(identity(step), step)
        # What another stack says is read in each run; that is no change of this one.
        if done == "same" or step.type == "pulumi:pulumi:StackReference":
            self.unchanged += 1
        elif kind is not None and step.type != "pulumi:pulumi:Stack":
            found = change(step, kind, self.environment)
            paths = [detail.path for detail in found.details]
            self.changes.append(doubted(found, self._doubts(step.type, done, paths)))


def identity(step: StepEventMetadata) -> str:
    """The id of a step's change: the same in every run."""
    return f"cloud:{step.type}:{step.urn.rpartition('::')[2]}"


def operation(step: StepEventMetadata) -> str:
    """The engine's word for a step, one that this SDK does not know included."""
    return step.op.value if isinstance(step.op, OpType) else str(step.op)


def change(step: StepEventMetadata, kind: Kind, environment: str) -> Change:
    """One step of the engine as a change."""
    details = tuple(_details(step))
    name = step.urn.rpartition("::")[2]
    replaced_by = [detail.path for detail in details if detail.replaces] or list(step.keys or [])
    reasons = tuple(f"{path} changed" for path in replaced_by) if kind is Kind.REPLACE else ()
    return Change(
        id=identity(step),
        environment=environment,
        half=Half.CLOUD,
        target=f"{step.type} {name}",
        kind=kind,
        severity=SEVERITY_OF[kind],
        summary=_summary(kind, details),
        reasons=reasons,
        details=details,
    )


def doubted(found: Change, reasons: tuple[str, ...]) -> Change:
    """The change, as an unknown one where there are reasons to doubt what it is."""
    if not reasons:
        return found
    return replace(
        found,
        kind=Kind.UNKNOWN,
        severity=SEVERITY_OF[Kind.UNKNOWN],
        summary=f"{Kind.UNKNOWN.value}, perhaps {found.summary}",
        reasons=(*reasons, *found.reasons),
    )


def _summary(kind: Kind, details: tuple[Detail, ...]) -> str:
    changed = ", ".join(detail.path for detail in details[:4])
    more = f" and {len(details) - 4} more" if len(details) > 4 else ""  # noqa: PLR2004
    return f"{kind.value}: {changed}{more}" if changed else kind.value


def _details(step: StepEventMetadata) -> Iterator[Detail]:
    old = (step.old.inputs if step.old else None) or {}
    new = (step.new.inputs if step.new else None) or {}
    outputs = (step.old.outputs if step.old else None) or {}
    if not step.detailed_diff:
        for path in step.diffs or []:
            yield from _detail(path, old, new, replaces=path in (step.keys or []))
        return
    for path, difference in step.detailed_diff.items():
        before = old if difference.input_diff else outputs
        replaces = difference.diff_kind in REPLACING
        yield from _detail(path, before, new, replaces=replaces)


REPLACING = {DiffKind.ADD_REPLACE, DiffKind.DELETE_REPLACE, DiffKind.UPDATE_REPLACE}


def _detail(
    path: str, old: Mapping[str, Any], new: Mapping[str, Any], *, replaces: bool
) -> Iterator[Detail]:
    """What differs at a path; of two JSON texts, each leaf that does."""
    documents = [_document(value_at(side, path)) for side in (old, new)]
    if None not in documents:
        before, after = (dict(leaves(each, path)) for each in documents)
        for leaf in sorted(before.keys() | after.keys()):
            sides = (shortened(before.get(leaf, "")), shortened(after.get(leaf, "")))
            if before.get(leaf) != after.get(leaf):
                yield Detail(path=leaf, before=sides[0], after=sides[1], replaces=replaces)
        return
    yield Detail(path=path, before=text_at(old, path), after=text_at(new, path), replaces=replaces)


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every value in a document that holds no other, with its path."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from leaves(each, f"{path}.{key}")
    elif isinstance(value, list) and value:
        for index, each in enumerate(value):
            yield from leaves(each, f"{path}[{index}]")
    else:
        yield path, value


def _document(value: Any) -> dict[str, Any] | list[Any] | None:
    """What a JSON text holds, where it is one of an object or a list."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return None
    try:
        found = json.loads(value)
    except ValueError:
        return None
    return found if isinstance(found, dict | list) else None


def text_at(values: Mapping[str, Any], path: str) -> str:
    """The value at an engine path such as `tags.Name` or `rules[0].port`, as text.

    A secret is `[secret]` and a value that is not known yet `[unknown]`, at any depth.
    """
    return shortened(value_at(values, path))


def value_at(values: Mapping[str, Any], path: str) -> Any:
    """The value at an engine path, as a reader may see it; "" where there is none."""
    current: Any = values
    for part in _parts(path):
        try:
            current = current[int(part)] if isinstance(current, list) else current[part]
        except (KeyError, IndexError, ValueError, TypeError):
            return ""
    return plain(current)


def shortened(value: Any) -> str:
    """A value as text, of a length that a line can have."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def plain(value: Any) -> Any:
    """A property value with secrets and unknowns replaced by what a reader may see."""
    if isinstance(value, dict):
        if SECRET_SIGNATURE in value:
            return "[secret]"
        return {key: plain(each) for key, each in value.items() if key != "__defaults"}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return "[unknown]" if value == UNKNOWN else value


def _parts(path: str) -> list[str]:
    return [
        part.strip("\"'") for part in path.replace("[", ".").replace("]", "").split(".") if part
    ]
