"""A stack with a real engine and the offline cloud behind it, for a test's own program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pulumi import automation as auto

from landfall.model.environment import cache_folder
from stacks.offline import OfflineCloud
from stacks.state import local
from stacks.toolchain import find

Program = Callable[[], None]


class Engine:
    """A stack in a folder of its own, with the offline cloud behind it."""

    def __init__(self, folder: Path, cloud: OfflineCloud) -> None:
        tools = find(cache_folder())
        assert tools is not None
        self.variables = {
            **cloud.environment,
            "PATH": tools.path("/usr/bin:/bin"),
            "PULUMI_BACKEND_URL": local(folder),
            "PULUMI_CONFIG_PASSPHRASE": "test",
        }
        self.command = auto.PulumiCommand(root=str(tools.pulumi.parent.parent))

    def stack(self, program: Program, *, region: str = "eu-central-1") -> auto.Stack:
        """A stack that runs `program`."""
        options = auto.LocalWorkspaceOptions(env_vars=self.variables, pulumi_command=self.command)
        stack = auto.create_or_select_stack("dev", "landfall", program, opts=options)
        stack.set_config("aws:region", auto.ConfigValue(region))
        return stack

    def fails(self, program: Program) -> str:
        """What a preview that fails says."""
        with pytest.raises(auto.CommandError) as caught:
            self.stack(program).preview()
        return str(caught.value)
