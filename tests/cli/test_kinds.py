"""An encoder and a graph through the commands: built once, signed, stored, released, followed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from engines import sign
from engines.store import Store
from landfall.cli.flow import engine, release
from landfall.model import trial, variables
from landfall.model.environment import Environment
from tests.engines import tiny

pytestmark = pytest.mark.slow

MAKE: dict[str, tuple[Any, dict[str, Any]]] = {
    "tiny-encoder": (tiny.encoder, tiny.ENCODER),
    "tiny-graph": (tiny.graph, tiny.GRAPH),
}


def built(environment: Environment, name: str, **more: Any) -> str:
    (environment.root / f"engines/specs/{name}.yaml").write_text(
        yaml.safe_dump({**MAKE[name][1], **more})
    )
    planned = engine.plan(environment, name, tracking_uri="")
    for wanted in (True, False):  # the second time it is there already
        made = engine.ensure(environment, planned, on_host=False, on_progress=lambda _: None)
        assert made.built == wanted
    return made.key


@pytest.mark.parametrize("name", MAKE)
def test_one_is_promoted_and_another_tried(dev: Environment, name: str) -> None:
    make, _ = MAKE[name]
    make(dev.root / "models" / name)
    Path(dev.root / "engines/specs").mkdir(parents=True)
    proven = built(dev, name)
    release.promote(dev, name, proven, release.Asked(), without_canary=True)
    canary = built(dev, name, precision="float32")
    release.canary(dev, name, canary, 10, release.Asked())
    store = Store(dev.store)
    for key in (proven, canary):
        assert store.verify(key, dev.keys / sign.PUBLIC_KEY).predicate.passed
    # What the hosts are told: both engines, and whom the judge compares.
    told: Any = variables.compute(dev)
    assert {each["key"] for each in told["landfall_engines"]} == {proven, canary}
    [one] = told["landfall_trials"]
    assert (one["name"], one["canary"]["key"], one["share"]) == (name, canary, 10)
    probes = dev.root / trial.PROBES / f"{name}.yaml"
    probes.parent.mkdir(parents=True)
    probes.write_text("- {prompt: A text}\n")
    assert trial.probes(dev, name)[0].expected == ""
