"""How an engine without a language host starts the pack."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from landfall.model.environment import Environment
from landfall.process import run
from stacks.account import Cloud
from stacks.automation import POLICIES, Session
from stacks.toolchain import POLICY_STARTER, Toolchain, policy_starter


def session(tmp_path: Path, host: Path | None) -> Session:
    tools = Toolchain(
        pulumi=tmp_path / "bin" / "pulumi", version="3.255.0", origin="built", language_host=host
    )
    environment = Environment(name="dev", root=tmp_path)
    return Session(
        environment=environment, cloud=Cloud(provider="offline"), backend="", toolchain=tools
    )


def test_the_starter_is_made_once_and_mended(tmp_path: Path) -> None:
    script = policy_starter(tmp_path) / "pulumi-analyzer-policy-python"
    assert os.access(script, os.X_OK)
    made = script.stat().st_mtime_ns
    assert policy_starter(tmp_path) == script.parent
    assert script.stat().st_mtime_ns == made
    script.write_text("#!/bin/sh\nexit 1\n")
    policy_starter(tmp_path)
    assert script.read_text() == POLICY_STARTER


def test_the_starter_runs_the_pack_with_the_python_that_is_named(tmp_path: Path) -> None:
    script = policy_starter(tmp_path) / "pulumi-analyzer-policy-python"
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    done = run([script, "127.0.0.1:1", "."], env={"LANDFALL_PYTHON": str(python)})
    assert done.stdout == "-u -m pulumi.policy 127.0.0.1:1 .\n"


@pytest.mark.parametrize("built", [True, False])
def test_only_a_built_command_gets_the_starter(tmp_path: Path, built: bool) -> None:
    found = session(tmp_path, tmp_path / "host" if built else None).engine_environment()
    if built:
        assert found["PATH"].split(":")[0] == str(tmp_path / "policy-starter")
        assert found["LANDFALL_PYTHON"] == sys.executable
    else:
        assert "PATH" not in found


def test_every_session_has_the_pack() -> None:
    assert Session.__dataclass_fields__["policies"].default == POLICIES
    assert (POLICIES / "PulumiPolicy.yaml").exists()
