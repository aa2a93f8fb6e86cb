"""Engines whose answers are numbers: the canary beside the proven one, on the same requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines.judge.__main__ import judge
from engines.judge.alike import alike
from engines.judge.config import Config
from engines.load.ask import Answer, Target
from engines.serve.metrics import Metrics
from tests.engines.judge.test_judge import told
from tests.engines.stored import predicate

PROVEN, CANARY = 20001, 20002


def vector(*values: float) -> str:
    return json.dumps({"data": [{"embedding": list(values)}]})


def outputs(**named: tuple[str, list[Any]]) -> str:
    told_ = [{"name": n, "datatype": kind, "data": data} for n, (kind, data) in named.items()]
    return json.dumps({"outputs": told_})


A = outputs(y=("FP32", [1.0, -4.0]), c=("INT64", [1, 2, 3, 4]))
ALIKE: dict[str, tuple[str, str, str, float]] = {
    "the same vector": ("embedding", vector(1, 2), vector(2, 4), 1.0),
    "at a right angle": ("embedding", vector(1, 0), vector(0, 1), 0.0),
    "the other way": ("embedding", vector(1, 0), vector(-1, 0), 0.0),
    "of another length": ("embedding", vector(1, 0), vector(1, 0, 0), 0.0),
    "nothing but zeros": ("embedding", vector(1, 0), vector(0, 0), 0.0),
    "no vector": ("embedding", vector(1, 0), "{}", 0.0),
    "no JSON": ("embedding", vector(1, 0), "x", 0.0),
    "the same arrays": ("onnx_graph", A, A, 1.0),
    "off by an eighth": ("onnx_graph", A, A.replace("-4.0", "-3.5"), 0.875),
    "one class of four": ("onnx_graph", A, A.replace("[1, 2, 3, 4]", "[1, 2, 3, 5]"), 0.75),
    "far off": ("onnx_graph", A, A.replace("-4.0", "400"), 0.0),
    "another type": ("onnx_graph", A, A.replace("INT64", "INT32"), 0.0),
    "an output less": ("onnx_graph", A, outputs(y=("FP32", [1.0, -4.0])), 0.0),
    "not a number": ("onnx_graph", A, A.replace("-4.0", "NaN"), 0.0),
}


@pytest.mark.parametrize("case", ALIKE)
def test_how_alike_two_answers_are(case: str) -> None:
    kind, wanted, given, score = ALIKE[case]
    assert alike(kind, wanted, given) == pytest.approx(score)


def trial(folder: Path) -> Config:
    found = told(folder)
    [one] = found.trials
    plain = tuple(each.model_copy(update={"expected": ""}) for each in one.probes)
    return found.model_copy(update={"trials": (one.model_copy(update={"probes": plain}),)})


def pages(canary: str = "embedding", version: str = "3") -> dict[int, Metrics]:
    made = predicate(kind="embedding")
    materials = made.materials.model_copy(update={"version": version})
    other = made.model_copy(update={"kind": canary, "materials": materials})
    return {PROVEN: Metrics("tiny-lm", made), CANARY: Metrics("tiny-lm", other)}


def looked(config: Config, metrics: dict[int, Metrics], says: Callable[[int], Answer]) -> Any:
    def post(target: Target, path: str, body: str) -> Answer:
        assert path == "/v1/embeddings"
        assert json.loads(body)["input"].startswith("What is a site")
        return says(int(target.url.rpartition(":")[2]))

    def read(port: int) -> str:
        return metrics[port].text().decode() if port in metrics else ""

    [found] = judge(config, posts=post, read=read)
    return found


def answered(port: int, canary: Answer) -> Answer:
    return Answer(text=vector(1, 0), ended=0.0) if port == PROVEN else canary


@pytest.mark.parametrize(
    ("canary", "verdict"),
    [
        (Answer(text=vector(1, 0.1), ended=0.0), "waiting"),
        (Answer(text=vector(0.1, 1), ended=0.0), "withdrawn"),
        (Answer(ended=0.0, error="500"), "withdrawn"),
        (Answer(ended=0.0, error="503"), "waiting"),
    ],
)
def test_other_vectors_are_taken_out(tmp_path: Path, canary: Answer, verdict: str) -> None:
    found = looked(trial(tmp_path), pages(), lambda port: answered(port, canary))
    assert found["verdict"] == verdict
    assert found["seen"]["canary"]["kind"] == "embedding"


def test_one_that_is_down_is_taken_out(tmp_path: Path) -> None:
    metrics = {PROVEN: pages()[PROVEN]}
    found = looked(
        trial(tmp_path), metrics, lambda port: answered(port, Answer(ended=0.0, error="refused"))
    )
    assert found["verdict"] == "withdrawn"


def test_another_version_of_the_model_may_have_other_vectors(tmp_path: Path) -> None:
    def never(_: int) -> Answer:
        raise AssertionError("nothing is asked where nothing can be compared")

    found = looked(trial(tmp_path), pages(version="4"), never)
    assert (found["verdict"], found["seen"]["canary"]["probes"]) == ("waiting", 0)


def test_latency_is_that_of_whole_answers(tmp_path: Path) -> None:
    config, metrics = trial(tmp_path), pages(version="4")
    looked(config, metrics, lambda _: Answer(ended=0.0))
    for _ in range(30):
        metrics[PROVEN].request("embeddings", 0.015)
        metrics[CANARY].request("embeddings", 1.0)
        metrics[PROVEN].request("embeddings", 60.0, "500")  # how long a failure took says nothing
    found = looked(config, metrics, lambda _: Answer(ended=0.0))
    assert found["verdict"] == "withdrawn"
    [reason] = found["reasons"]
    assert reason.startswith("answer: p95 is ")
