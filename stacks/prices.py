"""What the changes of a preview are worth a month, at list prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pulumi.automation import StepEventMetadata

from landfall import cost
from landfall.cost import Assumptions, Resource
from landfall.model.change import Change

Side = Resource | None


class Sides:
    """Every resource of a preview, before and after, as the cost model reads it."""

    def __init__(self, plain: Any) -> None:
        self._plain = plain
        self._of: dict[str, tuple[Side, Side]] = {}
        self._after: list[Resource] = []

    def take(self, identity: str, step: StepEventMetadata) -> None:
        """Keep both sides of one step; `identity` is its change's."""
        if not step.type.startswith("aws:"):
            return
        before, after = (self._resource(step, each) for each in (step.old, step.new))
        self._of[identity] = (before, after)
        if after is not None:
            self._after.append(after)

    def price(self, changes: Iterable[Change], *, training_hours: float) -> list[Change]:
        """The changes, each with its difference a month; None where it is not known."""
        assumed = Assumptions(training_hours=training_hours)

        def worth(change: Change) -> float | None:
            before, after = self._of.get(change.id, (None, None))
            return cost.delta(before, after, assumed, among=self._after)

        return [replace(each, cost=worth(each)) for each in changes]

    def _resource(self, step: StepEventMetadata, state: Any) -> Side:
        inputs: Mapping[str, Any] = (state.inputs if state else None) or {}
        if not inputs:
            return None
        props = self._plain(dict(inputs))
        name = step.urn.rpartition("::")[2]
        region = str(props.get("region") or "")
        return Resource(type=step.type, name=name, props=props, region=region, id=state.id or "")
