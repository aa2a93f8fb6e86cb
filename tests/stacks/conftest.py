"""A real engine and the offline cloud for a test's own program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi import automation as auto

from stacks.offline import OfflineCloud
from tests.stacks.engine import Engine, Program


class Planned:
    """What a preview or an update said it would do, by resource.

    Attributes:
        inputs: a resource's inputs by `type name`, e.g. `aws:ec2/vpc:Vpc core`.
        operations: what would happen to each.
        diagnostics: what provider and program said.
    """

    def __init__(self) -> None:
        self.inputs: dict[str, dict[str, Any]] = {}
        self.operations: dict[str, str] = {}
        self.diagnostics: list[str] = []

    def __call__(self, event: auto.EngineEvent) -> None:
        if event.diagnostic_event:
            self.diagnostics.append(event.diagnostic_event.message.strip())
        if not event.resource_pre_event:
            return
        step = event.resource_pre_event.metadata
        key = f"{step.type} {step.urn.rpartition('::')[2]}"
        operation = step.op.value if isinstance(step.op, auto.OpType) else str(step.op)
        if "-replace" in operation or "replacement" in operation:
            return
        self.operations[key] = operation
        if step.new and step.new.inputs:
            self.inputs[key] = dict(step.new.inputs)

    def of(self, token: str) -> dict[str, dict[str, Any]]:
        """The inputs of every resource of a type such as `aws:ec2/vpc:Vpc`, by name."""
        return {
            key.partition(" ")[2]: value
            for key, value in self.inputs.items()
            if key.partition(" ")[0] == token
        }


class Rehearsal(Engine):
    """The same, telling what was planned."""

    def preview(self, program: Program) -> Planned:
        """What `up` would do now."""
        planned = Planned()
        self.stack(program).preview(on_event=planned)
        return planned

    def up(self, program: Program) -> Planned:
        """What `up` did."""
        planned = Planned()
        self.stack(program).up(on_event=planned)
        return planned


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    """A stack whose state is forgotten afterwards."""
    folder = tmp_path / "state"
    folder.mkdir()
    with OfflineCloud() as cloud:
        yield Rehearsal(folder, cloud)
