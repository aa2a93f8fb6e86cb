"""Real engines whose model itself is bad: they pass every gate, and the judge takes them out."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest

from engines import source
from engines.judge.__main__ import judge
from engines.judge.config import Config
from landfall import process
from tests.engines import tiny
from tests.templates.test_gateway_kinds import served

pytestmark = [pytest.mark.services, pytest.mark.slow]

ROW = np.linspace(-1, 1, tiny.WIDTH, dtype=np.float32)
GRAPH_BODY = json.dumps(
    {"inputs": [{"name": "x", "shape": [1, 64], "datatype": "FP32", "data": ROW.tolist()}]}
)
PROBES = {"tiny-encoder": tiny.TEXTS[:8], "tiny-graph": (GRAPH_BODY,) * 8}


def shuffled(model: Path) -> None:
    """The same weights in another order: a model of its own, that answers nonsense."""
    loaded = onnx.load(model / source.GRAPH)
    [down] = [each for each in loaded.graph.initializer if each.name == "down"]
    values = onnx.numpy_helper.to_array(down).copy()
    np.random.default_rng(1).shuffle(values)
    down.CopyFrom(onnx.numpy_helper.from_array(values, down.name))
    onnx.save(loaded, model / source.GRAPH)


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize("bad", [False, True], ids=["alike", "another"])
def test_what_the_gates_cannot_see(tmp_path: Path, name: str, bad: bool) -> None:
    change = shuffled if bad else None
    with served(name, tmp_path / "a") as proven, served(name, tmp_path / "b", change) as canary:
        told: dict[str, Any] = {
            "name": name,
            "proven": {"key": "a" * 64, "port": proven},
            "canary": {"key": "b" * 64, "port": canary},
            "probes": [{"prompt": each} for each in PROBES[name]],
        }
        config = Config.model_validate(
            {"trials": [told], "log": tmp_path / "log", "withdrawn": tmp_path / "withdrawn",
             "state": tmp_path / "state"}
        )  # fmt: skip
        for port in (proven, canary):
            assert process.wait_until(partial(ready, port), timeout_s=60)
        [found] = judge(config)
    seen = found["seen"]["canary"]
    assert (seen["probes"], found["verdict"]) == (8, "withdrawn" if bad else "waiting")
    assert (seen["quality"] > 0.999) != bad
