"""Aliases follow what answers at the site, in a real registry; one that is silent is no failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.manifest import Materials
from engines.store import Store
from landfall import files, registry
from landfall.cli.flow import aliases, services
from landfall.cli.flow.site import Asked
from landfall.errors import LandfallError
from landfall.model.environment import Environment
from rehearsal.services import Ports, Services
from tests.engines import stored
from tests.loopback import free_port

NAME, ALIAS = "tiny-lm", "dev-chat"
OLD, NEW = stored.key_of("a"), stored.key_of("b")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    made = Services(
        state=tmp_path_factory.mktemp("services"),
        ports=Ports(aws=free_port(), registry=free_port()),
    )
    made.start()
    try:
        made.wait()
        yield made
    finally:
        made.stop()


def put(dev: Environment, folder: Path, letter: str, **materials: str) -> None:
    made = Materials(model=NAME, files={}, training_data="", **materials)
    engine = stored.engine(folder / letter, letter, materials=made)
    Store(dev.store).put(engine, stored.signature(folder / letter))


def release(dev: Environment, **shares: int) -> None:
    engines = [{"key": stored.key_of(letter), "share": each} for letter, each in shares.items()]
    files.write(dev.local_release_file, json.dumps({"chat": {"engines": engines}}))


def registered(uri: str, folder: Path) -> list[registry.ModelVersion]:
    found = []
    for text in ("one", "two"):
        made = folder / text
        made.mkdir(parents=True)
        (made / "weights.bin").write_text(text)
        found.append(
            registry.register(made, NAME, tracking_uri=uri, tags={}, metrics={}, params={})
        )
    return found


@pytest.mark.services
def test_it_follows_a_promotion_and_no_canary(
    dev: Environment, running: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = running.tracking_uri
    monkeypatch.setattr(services, "registry_uri", lambda _: uri)
    first, second = registered(uri, tmp_path / "models")
    put(dev, tmp_path, "a", version=str(first.version), run=first.run)
    put(dev, tmp_path, "b", version=str(second.version), run=second.run)

    def stands_for() -> int:
        return registry.resolve(NAME, ALIAS, tracking_uri=uri).version

    release(dev, a=100)
    assert aliases.follow(dev) == f"alias {ALIAS} stands for {first.uri}"
    assert stands_for() == first.version
    release(dev, a=90, b=10)
    assert aliases.follow(dev) == ""
    release(dev, b=100)
    monkeypatch.setattr(services, "registry_uri", lambda _: "http://127.0.0.1:9")
    assert "aliases stay as they are" in aliases.follow(dev)
    monkeypatch.setattr(services, "registry_uri", lambda _: uri)
    assert stands_for() == first.version
    assert aliases.follow(dev) == f"alias {ALIAS} stands for {second.uri}"
    assert stands_for() == second.version


def silent(_: Environment) -> str:
    raise LandfallError("nobody is to be asked")


def test_nobody_is_asked_where_nothing_comes_from_a_registry(
    dev: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "registry_uri", silent)
    put(dev, tmp_path, "a", version="0123")
    release(dev, a=100)
    assert aliases.follow(dev) == ""


def test_an_engine_that_cannot_be_read_is_no_failure_of_the_run(
    dev: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "registry_uri", silent)
    put(dev, tmp_path, "a", version="1", run="r")
    release(dev, a=100)
    assert aliases.follow(dev) == "aliases stay as they are: nobody is to be asked"
    (dev.store / stored.key_of("a") / "engine" / "manifest.json").write_text("{")
    assert "is not the manifest of an engine" in aliases.follow(dev)


@pytest.mark.parametrize(
    ("asked", "whole"),
    [
        (Asked(), True),
        (Asked(skip_tags=("base",)), True),
        (Asked(tags=("serving", "gateway", "unit")), True),
        (Asked(tags=("gateway",)), False),
        (Asked(limit="gpu-1"), False),
        (Asked(playbook="upgrade"), False),
    ],
)
def test_they_follow_only_a_run_that_saw_every_host_answer(asked: Asked, whole: bool) -> None:
    assert asked.serves_whole is whole


def test_an_alias_has_letters_that_a_registry_takes(dev: Environment) -> None:
    assert aliases.name(dev, "chat.v2/large") == "dev-chat-v2-large"
