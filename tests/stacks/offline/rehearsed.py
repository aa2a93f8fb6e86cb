"""A stack with a real engine and the offline cloud behind it, for a test's own program."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi import automation as auto

from tests.stacks.engine import Engine, Program

LOGICAL = {
    auto.OpType.CREATE, auto.OpType.UPDATE, auto.OpType.REPLACE, auto.OpType.DELETE,
    auto.OpType.SAME,
}  # fmt: skip
"""What happens to a resource, without the steps that a replacement consists of."""


class Rehearsal(Engine):
    """The same, telling the names of resources by what happens to them."""

    def preview(self, program: Program) -> dict[str, list[str]]:
        """The names of the resources, by what would happen to them."""
        found: dict[str, list[str]] = {}

        def note(event: auto.EngineEvent) -> None:
            if event.resource_pre_event:
                step = event.resource_pre_event.metadata
                if step.type.startswith("aws:") and step.op in LOGICAL:
                    found.setdefault(step.op.value, []).append(step.urn.rpartition("::")[2])

        self.stack(program).preview(on_event=note)
        return {op: sorted(names) for op, names in found.items()}


def raw(token: str, properties: dict[str, Any], name: str = "thing") -> Program:
    """A program that bypasses the SDK's own checks, as a transform or another language could."""

    def program() -> None:
        pulumi.CustomResource(token, name, properties)

    return program
