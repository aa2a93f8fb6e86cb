from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from landfall.errors import InvalidInput
from landfall.model import variables
from landfall.model.environment import Environment

A, B = "a" * 64, "b" * 64


def release(environment: Environment, **shares: int) -> None:
    keys = [{"key": key * 64, "share": share} for key, share in shares.items()]
    environment.release_file.write_text(json.dumps({"tiny-lm": {"engines": keys}}))


def store(environment: Environment, key: str, classification: str) -> None:
    folder = environment.store / key / "engine"
    folder.mkdir(parents=True)
    predicate = {"classification": classification, "slots": 4, "precision": "int8"}
    (folder / "manifest.json").write_text(json.dumps({"predicate": predicate}))


def spec(environment: Environment, text: str) -> None:
    folder = environment.root / "engines/specs"
    folder.mkdir(parents=True)
    (folder / "tiny.yaml").write_text(text)


def engines(environment: Environment) -> Any:
    return variables.compute(environment)["landfall_engines"]


def test_limits_of_serving_come_from_the_spec_of_the_served_name(dev: Environment) -> None:
    release(dev, a=100)
    spec(dev, "name: tiny-lm\nlimits: {max_batch: 8, max_queue: 32, max_new_tokens: 200}\n")
    [engine] = engines(dev)
    assert (engine["max_queue"], engine["max_new_tokens"]) == (32, 200)


@pytest.mark.parametrize("text", ["", "name: another\nlimits: {max_queue: 1}\n", "name: tiny-lm\n"])
def test_without_a_spec_the_server_s_own_limits_hold(dev: Environment, text: str) -> None:
    release(dev, a=100)
    spec(dev, text)
    [engine] = engines(dev)
    assert (engine["max_queue"], engine["max_new_tokens"]) == (64, None)


def test_a_limit_that_is_no_number_is_named_with_its_file(dev: Environment) -> None:
    spec(dev, "name: tiny-lm\nlimits: {max_queue: many, max_new_tokens: 0}\n")
    with pytest.raises(InvalidInput) as caught:
        variables.compute(dev)
    assert caught.value.source == "engines/specs/tiny.yaml"
    paths = [problem.path for problem in caught.value.problems]
    assert paths == ["limits.max_queue", "limits.max_new_tokens"]


def test_slots_come_from_the_manifest(dev: Environment) -> None:
    release(dev, a=90, b=10)
    store(dev, A, "restricted")
    assert [engine["slots"] for engine in engines(dev)] == [4, 1]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"predicate": {"classification": "secret"}}'])
def test_a_broken_manifest_is_named(dev: Environment, text: str) -> None:
    release(dev, a=100)
    store(dev, A, "restricted")
    (dev.store / A / "engine/manifest.json").write_text(text)
    with pytest.raises(InvalidInput, match=f"store/{A}/engine/manifest.json"):
        variables.compute(dev)


def test_a_release_below_a_tenant_s_class_is_refused_but_others_can_be_built(
    dev: Environment,
) -> None:
    release(dev, a=100)
    store(dev, A, "internal")
    with pytest.raises(InvalidInput) as caught:
        variables.check(dev)
    values = variables.compute(dev)
    assert values["landfall_refused"] == str(caught.value)
    assert values["landfall_engines"]


@pytest.mark.parametrize(
    ("shares", "classes"),
    [
        ({"a": 100}, {A: "restricted"}),
        ({"a": 100}, {}),  # not in this store: the host verifies it
        ({"a": 100, "b": 0}, {A: "restricted", B: "public"}),  # nobody reaches the second
    ],
)
def test_a_release_of_the_tenants_classes_is_taken(
    dev: Environment, shares: dict[str, int], classes: dict[str, str]
) -> None:
    release(dev, **shares)
    for key, name in classes.items():
        store(dev, key, name)
    assert variables.compute(dev)["landfall_refused"] == ""


def test_the_way_back_stays_on_the_host_where_this_store_has_it(dev: Environment) -> None:
    value = {"tiny-lm": {"engines": [{"key": A, "share": 100}], "previous": B}}
    dev.release_file.write_text(json.dumps(value))
    assert variables.compute(dev)["landfall_standby"] == []
    store(dev, B, "restricted")
    kept: Any = variables.compute(dev)["landfall_standby"]
    [back] = kept
    assert (back["key"], back["share"]) == (B, 0)
    assert [engine["key"] for engine in engines(dev)] == [A]


def test_the_judge_is_told_of_canaries(dev: Environment) -> None:
    release(dev, a=90, b=10)
    trials: Any = variables.compute(dev)["landfall_trials"]
    assert [each["canary"]["key"] for each in trials] == [B]


def test_an_engine_in_a_container_is_told_with_its_command(dev: Environment) -> None:
    release(dev, a=90, b=10)
    store(dev, A, "restricted")
    store(dev, B, "restricted")
    path = dev.store / B / "engine/manifest.json"
    told = json.loads(path.read_text())
    told["predicate"] |= {
        "container": f"engines/vllm@sha256:{'c' * 64}",
        "target": "L40S",
        "parallelism": {"tensor": 2, "pipeline": 1},
        "serve": {"action": "vllm", "argv": ["vllm", "serve"], "settings": {"health": "/health"}},
    }
    path.write_text(json.dumps(told))
    own, contained = engines(dev)
    assert "contained" not in own
    assert contained["contained"]["argv"] == ["vllm", "serve"]
    assert (contained["contained"]["gpus"], contained["contained"]["api"]) == (
        2,
        {"health": "/health"},
    )


def test_each_host_is_told_what_its_own_gpus_answer(checkout: Path) -> None:
    prod = Environment(name="prod", root=checkout)
    keys = {"chat@L40S": A, "chat@H100 PCIe": B}
    value = {name: {"engines": [{"key": key, "share": 100}]} for name, key in keys.items()}
    prod.release_file.write_text(json.dumps(value))
    told: Any = variables.of_hosts(prod)

    def of(host: str) -> tuple[list[tuple[str, str]], list[str]]:
        found = [(each["name"], each["key"]) for each in told[host]["landfall_engines"]]
        return found, [each["name"] for each in told[host]["landfall_routes"]]

    assert of("gpu-1") == ([], [])
    assert of("gpu-2") == ([("chat", A)], ["chat"])
    assert of("gpu-3") == of("gpu-4") == ([("chat", B)], ["chat"])
    everywhere: Any = variables.compute(prod)
    assert {each["key"] for each in everywhere["landfall_engines"]} == {A, B}
    assert everywhere["landfall_routes"] == []


def test_hosts_of_one_kind_are_told_nothing_of_their_own(checkout: Path) -> None:
    prod = Environment(name="prod", root=checkout)
    prod.release_file.write_text(json.dumps({"chat": {"engines": [{"key": A, "share": 100}]}}))
    assert not any("landfall_engines" in each for each in variables.of_hosts(prod).values())
