"""Preview tells what policies forbid, and `up` does nothing of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from landfall.cli.main import app
from landfall.errors import InvalidInput, PolicyViolation
from landfall.model.environment import Environment, cache_folder
from stacks import automation, toolchain
from stacks.changes import Collector
from stacks.policy import settings as limits
from tests.stacks.policy.packs import pack

pytestmark = pytest.mark.cloud

SHIPPED: dict[str, Any] = yaml.safe_load((limits.FOLDER / "dev.yaml").read_text())


@pytest.fixture
def forbidding(tmp_path: Path) -> Path:
    """A pack that forbids two things of dev: where it is, and what it is tagged."""
    tags = {**SHIPPED["required_tags"], "landfall:ward": "[0-9]+"}
    return pack(tmp_path / "pack", {**SHIPPED, "regions": ["eu-north-1"], "required_tags": tags})


@pytest.fixture
def session(tmp_path: Path, forbidding: Path, dev: Environment) -> Iterator[automation.Session]:
    tools = toolchain.find(cache_folder())
    assert tools is not None
    with automation.offline(dev, tools, tmp_path / "state", policies=forbidding) as current:
        yield current


def test_an_up_that_a_policy_forbids_makes_nothing_and_lists_every_failure(
    session: automation.Session,
) -> None:
    with pytest.raises(PolicyViolation) as caught:
        automation.up(session)
    said = str(caught.value)
    assert caught.value.exit_code == 12
    assert "policy failures; nothing was done" in said
    assert (
        "residency: core: region: eu-central-1 is in eu-central-1; allowed are eu-north-1" in said
    )
    assert "required-tags: core: tags.landfall:ward: is missing" in said
    assert automation.outputs(session) == {}


def test_what_is_found_during_an_up_ends_it_too(
    session: automation.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = Collector("dev")
    monkeypatch.setattr(automation, "preview", lambda _: blind)
    with pytest.raises(PolicyViolation, match="what was made before that stays") as caught:
        automation.up(session)
    assert "residency: " in str(caught.value)


def test_limits_that_are_wrong_are_told_before_an_engine_starts(
    session: automation.Session,
) -> None:
    assert session.policies is not None
    limits_file = session.policies / "environments" / "dev.yaml"
    limits_file.write_text(yaml.safe_dump({**SHIPPED, "region": "eu-north-1"}))
    with pytest.raises(InvalidInput, match="region: unknown key; did you mean regions"):
        automation.preview(replace(session, toolchain=replace(session.toolchain, pulumi=Path())))


def test_a_preview_ends_with_the_policies_exit_code(
    tmp_path: Path, forbidding: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = toolchain.find(cache_folder())
    assert tools is not None
    original = automation.offline

    def offline(*words: Any, **_: Any) -> Any:
        return original(words[0], words[1], tmp_path / "state", policies=forbidding)

    monkeypatch.setattr(automation, "offline", offline)
    words = ["preview", "dev", "--only", "cloud", "--format", "json"]
    done = CliRunner().invoke(app, words)
    report = json.loads(done.stdout[done.stdout.index("{") :])
    unknown = any(change["kind"] == "unknown" for change in report["changes"])
    assert done.exit_code == (13 if unknown else 12)
    assert any(line.startswith("residency: core:") for line in report["policy_failures"])
    assert any("leaves open" in note for note in report["notes"])


def test_what_holds_data_is_not_deleted_unnamed(tmp_path: Path, dev: Environment) -> None:
    strict = pack(tmp_path / "pack", {**SHIPPED, "stateful_replacement": False})
    shipped = dev.stack_file.read_text()
    dev.stack_file.write_text(shipped + "  landfall:storage: {repositories: [training, extra]}\n")
    tools = toolchain.find(cache_folder())
    assert tools is not None
    with automation.offline(dev, tools, tmp_path / "state", policies=None) as session:
        automation.up(session)
        dev.stack_file.write_text(shipped)
        judged = replace(session, policies=strict)
        failures = automation.preview(judged).policy_failures
        assert [line.partition(" would")[0] for line in failures] == [
            "stateful-replacement: aws:ecr/repository:Repository::extra"
        ]
        with pytest.raises(PolicyViolation, match="1 policy failure; nothing was done"):
            automation.up(judged)
