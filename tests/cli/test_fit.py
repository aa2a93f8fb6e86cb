"""`landfall engine fit` and `commands`: the answer for people, for programs, and as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from landfall.cli.flow import fitting
from landfall.cli.main import app
from landfall.errors import InvalidInput

RUN = CliRunner()


def test_people_read_what_binds_and_what_would_fit(tmp_path: Path) -> None:
    picture = tmp_path / "fit.svg"
    words = ["llama-3.1-8b", "--gpu", "A40", "--batch", "64", "--instead", "H100 PCIe"]
    done = RUN.invoke(app, ["engine", "fit", *words, "--picture", str(picture)])
    assert done.exit_code == 0, done.output
    for expected in (
        "What binds: the cache.",
        "The cache holds 23 sequences at full length",
        "uncalibrated",
        "Not established: A40: visible memory with ECC.",
        "batch: 64 → 23",
    ):
        assert expected in done.output
    drawn = ElementTree.fromstring(picture.read_text())
    bars = [each for each in drawn.iter() if each.get("height") == "34"]
    assert sum(float(each.get("width", 0)) for each in bars) == pytest.approx(720, abs=1)


def test_programs_get_every_byte() -> None:
    done = RUN.invoke(app, ["engine", "fit", "qwen3-8b", "--gpu", "L40S", "--json"])
    told = json.loads(done.output)
    assert told["verdict"] == "fits"
    assert told["pool"] > told["blocks"] * 32 * 147456 > 0
    assert told["estimate"]["calibrated"] is True
    assert told["proposals"] == []


def test_a_models_own_config_is_read(tmp_path: Path) -> None:
    config = {
        "model_type": "llama",
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "vocab_size": 100,
        "max_position_embeddings": 512,
    }
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    words = [str(folder), "--gpu", "L4", "--sequence", "512", "--json"]
    told = json.loads(RUN.invoke(app, ["engine", "fit", *words]).output)
    assert told["model"] == "mine"
    (folder / "config.json").write_text("{")
    with pytest.raises(InvalidInput, match="not JSON"):
        question(str(folder))


def question(model: str, gpu: str = "L4", weights: str = "bf16") -> object:
    return fitting.ask(
        *(model, gpu, "tensorrt_llm/pytorch"),
        batch=1,
        sequence=512,
        weights=weights,
        cache="bf16",
        tp=1,
    )


def test_every_unknown_word_is_told_with_those_that_are_known() -> None:
    with pytest.raises(InvalidInput) as caught:
        question("gpt-9", "L41", "fp7")
    told = str(caught.value)
    assert len(caught.value.problems) == 3
    assert "no 'L41'; there are A40, L4, L40S" in told
    assert "no model gpt-9; there are llama-3.1-8b" in told


def test_commands_are_printed_for_a_pinned_version() -> None:
    words = ["qwen3-8b", "--gpu", "L40S", "--weights", "fp8", "--version", "1.2.1"]
    done = RUN.invoke(app, ["engine", "commands", *words])
    assert "--qformat fp8" in done.output
    assert "trtllm-serve /work/checkpoint" in done.output
