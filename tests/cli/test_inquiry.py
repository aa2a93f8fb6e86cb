"""Where an engine comes from and what a log says, by command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engines.store import Store
from landfall import registry
from landfall.cli import engine_inquiry
from landfall.cli.flow import lineage, services
from landfall.cli.main import app
from landfall.errors import InvalidInput, Unreachable
from landfall.model.environment import Environment
from tests.engines import stored

ERROR = "Total number of attention heads (52) must be divisible by tensor parallel size (8)."


def found(label: str, node: dict[str, Any]) -> str | None:
    if node["label"] == label:
        return str(node["value"])
    below = (found(label, each) for each in node.get("below", []))
    return next((value for value in below if value is not None), None)


@pytest.fixture
def full(dev: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """dev with an engine a that answers for chat; its registry answers."""
    Store(dev.store).put(stored.engine(tmp_path), stored.signature(tmp_path))
    shares = [{"key": stored.key_of("a"), "share": 100}]
    dev.local_release_file.parent.mkdir(parents=True)
    dev.local_release_file.write_text(json.dumps({"chat": {"engines": shares}}))
    version = registry.ModelVersion(
        name="tiny-lm", version=3, uri="", run="run-7", tags={"trained_on": "2026-11-20"}
    )
    monkeypatch.setattr(services, "registry_uri", lambda _: "http://registry.example")
    monkeypatch.setattr(registry, "resolve", lambda *_, **__: version)
    return dev


@pytest.mark.parametrize("wanted", ["chat", "tiny-lm", "aaaa", stored.key_of("a")])
def test_by_name_or_key(full: Environment, wanted: str) -> None:
    tree = lineage.of(full, wanted).plain()
    assert tree["value"] == stored.key_of("a")
    assert found("training run", tree) == "run-7"
    assert found("trained on", tree) == "2026-11-20"
    assert found(".landfall/dev/releases.yaml: chat 100 %", tree) == ""
    assert found("signature", tree) == "not checked: dev has no signing.pub here"


def test_a_registry_that_does_not_answer(
    full: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object, **__: object) -> None:
        raise Unreachable("it does not answer", hint="wait")

    monkeypatch.setattr(registry, "resolve", silent)
    tree = lineage.of(full, "chat").plain()
    assert found("registry", tree) == "says nothing: it does not answer"
    assert found("training run", tree) == "not recorded"
    assert found("model", tree) == "tiny-lm version 3"


@pytest.mark.parametrize("wanted", ["nobody", "ffff", "tiny-lm"])
def test_no_such_engine(full: Environment, tmp_path: Path, wanted: str) -> None:
    Store(full.store).put(stored.engine(tmp_path, "b"), stored.signature(tmp_path))
    with pytest.raises(InvalidInput):  # two engines have the name tiny-lm now
        lineage.of(full, wanted)


def test_what_it_prints(full: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_inquiry, "find", lambda _: full)
    done = CliRunner().invoke(app, ["engine", "lineage", "chat"], catch_exceptions=False)
    assert f"engine tiny-lm  {stored.key_of('a')}\n" in done.stdout
    assert f"training data  {'d' * 16}\n" in done.stdout
    done = CliRunner().invoke(app, ["engine", "lineage", "chat", "--json"])
    assert json.loads(done.stdout)["value"] == stored.key_of("a")


def test_a_log_is_diagnosed(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_bytes(b"\xff\n" + f"{ERROR}\n{ERROR}\n".encode())
    done = CliRunner().invoke(app, ["engine", "diagnose", str(log)], catch_exceptions=False)
    assert "line 2 and 1 more: Total number of attention heads (52)" in done.stdout
    assert "cause  52 attention heads cannot be shared by 8 GPUs." in done.stdout
    assert "source vllm-project/vllm#2652" in done.stdout
    done = CliRunner().invoke(app, ["engine", "diagnose", "-", "--json"], input=f"{ERROR}\n")
    [row] = json.loads(done.stdout)
    assert row["lines"] == [1]


def test_a_log_without_known_errors_is_said_to_be_so() -> None:
    done = CliRunner().invoke(app, ["engine", "diagnose", "-"], input="all is well\n")
    assert "None of the 25 known errors is in this log." in done.stdout
