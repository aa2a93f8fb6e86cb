"""A real engine and the offline cloud for a test's own program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi import automation as auto

from landfall.model.environment import cache_folder
from stacks.offline import OfflineCloud
from stacks.toolchain import find

Program = Callable[[], None]


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


class Rehearsal:
    """A stack in a folder of its own, with the offline cloud behind it."""

    def __init__(self, folder: Path, cloud: OfflineCloud) -> None:
        tools = find(cache_folder())
        assert tools is not None
        self.variables = {
            **cloud.environment,
            "PATH": tools.path("/usr/bin:/bin"),
            "PULUMI_BACKEND_URL": f"file://{folder}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
        }
        self.command = auto.PulumiCommand(root=str(tools.pulumi.parent.parent))

    def stack(self, program: Program, *, region: str = "eu-central-1") -> auto.Stack:
        """A stack that runs `program`."""
        options = auto.LocalWorkspaceOptions(env_vars=self.variables, pulumi_command=self.command)
        stack = auto.create_or_select_stack("dev", "landfall", program, opts=options)
        stack.set_config("aws:region", auto.ConfigValue(region))
        return stack

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

    def fails(self, program: Program) -> str:
        """What a preview that fails says."""
        with pytest.raises(auto.CommandError) as caught:
            self.stack(program).preview()
        return str(caught.value)


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    """A stack whose state is forgotten afterwards."""
    folder = tmp_path / "state"
    folder.mkdir()
    with OfflineCloud() as cloud:
        yield Rehearsal(folder, cloud)
