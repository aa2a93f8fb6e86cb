"""Gates of engines in containers: a real server on loopback is asked, a stand-in for the tool's."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from engines import manifest
from engines.quality import Gate
from landfall.errors import GateFailed
from tests.engines.contained.conftest import DIGEST, TEXT, Making, Site
from tests.engines.test_store_faults import in_child

pytestmark = pytest.mark.services

VLLM = {
    "backend": "vllm",
    "mode": "serve",
    "version": "0.33.0",
    "container": f"mirror/vllm@{DIGEST}",
}
LATENCY = {"requests_per_second": 100, "requests": 20, "ttft_p95_ms": 60_000, "tpot_p95_ms": 60_000}


def outcomes(folder: Path) -> dict[str, manifest.Outcome]:
    return {each.name: each for each in manifest.check(folder).predicate.outcomes}


def test_an_engine_is_compared_with_the_unquantised_model(site: Site, planned: Making) -> None:
    made = planned(text=TEXT, gates={"latency": LATENCY})
    site.build(made)
    about = manifest.check(site.out).predicate
    assert about.passed
    assert isinstance(about.quality, Gate)
    assert (about.quality.metric, about.quality.ratio) == ("next_word", 1.0)
    found = outcomes(site.out)
    assert found["quality"].detail == "next_word"
    assert found["quality"].figures["ratio"] == found["quality"].figures["engine"] == 1.0
    assert found["quality"].figures["count"] == 54  # nine words of each of six lines
    assert found["determinism"].figures["prompts"] == 3
    assert found["latency"].figures["requests"] == 20
    assert about.speed is not None
    assert site.tools[2:] == ["trtllm-serve", "trtllm-serve"]
    engine, reference = site.calls[2:]
    assert engine["argv"][:4] == ["trtllm-serve", "/work/engine", "--backend", "tensorrt"]
    assert reference["argv"][:4] == ["trtllm-serve", "/model", "--backend", "pytorch"]
    assert engine["mounts"]["/work"][1] is False
    assert not list((site.bin / "containers").iterdir())  # nothing is left running


def test_an_engine_that_lost_too_much_is_not_made(site: Site, planned: Making) -> None:
    made = planned(text=TEXT)
    site.behave(build={"forgets": 5})
    with pytest.raises(GateFailed, match=r"next_word 0\.7\d+ against 1\.0000 .* bound is 1\.02"):
        site.build(made)
    assert not site.out.exists()


def test_an_engine_that_answers_otherwise_each_time_is_not_made(
    site: Site, planned: Making
) -> None:
    made = planned(text=TEXT, precision="bf16", mode="pytorch")
    site.behave(serve={"moody": True})
    with pytest.raises(GateFailed, match=r"next_word 0\.0000: the engine makes no sense"):
        site.build(made)


def test_what_is_served_as_it_came_is_compared_with_guessing(site: Site, planned: Making) -> None:
    site.build(planned(text=TEXT, **VLLM, precision="bf16"))
    found = outcomes(site.out)["quality"]
    assert found.outcome == "passed"
    assert "not with itself" in found.detail
    assert found.figures == {"perplexity": pytest.approx(2.718281828), "bound": 10.0, "count": 66.0}
    assert site.tools == ["vllm"]
    names = {each.name for each in manifest.check(site.out).subject}
    assert "model/model.safetensors" in names
    assert "model/evaluation.txt" not in names


def test_a_smaller_cache_is_compared_by_perplexity(site: Site, planned: Making) -> None:
    made = planned(text=TEXT, **VLLM, precision="bf16", kv_cache="fp8")
    site.build(made)
    about = manifest.check(site.out).predicate
    assert isinstance(about.quality, Gate)
    assert (about.quality.metric, about.quality.ratio) == ("perplexity", 1.0)
    assert site.tools == ["vllm", "vllm"]


def test_what_came_quantised_has_nothing_to_be_compared_with(site: Site, planned: Making) -> None:
    made = planned(text=TEXT, **VLLM, precision="bf16")
    site.build(made.model_copy(update={"reference": None}))
    found = outcomes(site.out)["quality"]
    assert found.outcome == "not run"
    assert "nothing here serves the unquantised model" in found.detail
    assert not manifest.check(site.out).predicate.passed


def test_a_server_that_does_not_start_says_why(site: Site, planned: Making) -> None:
    made = planned(text=TEXT)
    text = "The following component could not be created: KV cache"
    site.behave(serve={"say": text, "code": 1})
    with pytest.raises(GateFailed) as caught:
        site.build(made)
    assert "GPU memory ran out while TensorRT-LLM made this part: KV cache" in caught.value.message
    assert "The server's log is" in caught.value.hint


def test_a_build_killed_while_it_measures_does_no_step_again(site: Site, planned: Making) -> None:
    made = planned(text=TEXT)
    site.behave(serve={"kill": True})
    assert os.WTERMSIG(in_child(partial(site.build, made))) == signal.SIGKILL
    site.forget()
    site.build(made)
    assert site.tools == ["trtllm-serve", "trtllm-serve"]
    assert manifest.check(site.out).predicate.passed


def test_a_missed_latency_keeps_the_steps(site: Site, planned: Making) -> None:
    missed = {**LATENCY, "ttft_p95_ms": 0.000001}
    made = planned(text=TEXT, gates={"latency": missed})
    with pytest.raises(GateFailed, match="first token p95"):
        site.build(made)
    assert (site.out.parent / f".engine.work-{made.key[:12]}" / "step-2").is_dir()
