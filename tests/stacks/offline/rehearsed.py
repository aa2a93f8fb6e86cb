"""A stack with a real engine and the offline cloud behind it, for a test's own program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import automation as auto

from landfall.model.environment import cache_folder
from stacks.offline import OfflineCloud
from stacks.toolchain import find

Program = Callable[[], None]

LOGICAL = {
    auto.OpType.CREATE, auto.OpType.UPDATE, auto.OpType.REPLACE, auto.OpType.DELETE,
    auto.OpType.SAME,
}  # fmt: skip
"""What happens to a resource, without the steps that a replacement consists of."""


class Rehearsal:
    """A stack in a folder of its own, with an offline provider."""

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
        options = auto.LocalWorkspaceOptions(env_vars=self.variables, pulumi_command=self.command)
        stack = auto.create_or_select_stack("dev", "rehearsed", program, opts=options)
        stack.set_config("aws:region", auto.ConfigValue(region))
        return stack

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

    def fails(self, program: Program) -> str:
        with pytest.raises(auto.CommandError) as caught:
            self.stack(program).preview()
        return str(caught.value)


def raw(token: str, properties: dict[str, Any], name: str = "thing") -> Program:
    """A program that bypasses the SDK's own checks, as a transform or another language could."""

    def program() -> None:
        pulumi.CustomResource(token, name, properties)

    return program
