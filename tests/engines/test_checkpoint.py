"""Hugging Face folders: whole ones are read, what is wrong is told at once with file and tensor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import save_file

from engines import carried, catalog, checkpoint, key, plan, source
from engines.facts import Facts
from engines.source import ModelSource
from engines.spec import EngineSpec
from engines.target import anywhere
from landfall.errors import InvalidInput
from landfall.model.classification import Classification
from tests.engines.tiny import LLAMA

SHARDS: dict[str, dict[str, npt.NDArray[Any]]] = {
    "model-00001-of-00002.safetensors": {"a": np.ones((4, 4), np.float16)},
    "model-00002-of-00002.safetensors": {"b": np.ones(8, np.float16), "c": np.ones(2, np.float16)},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model in two files."""
    made = tmp_path / "mini"
    made.mkdir()
    (made / "config.json").write_text(json.dumps(LLAMA))
    for name, arrays in SHARDS.items():
        save_file(arrays, made / name)
    index = {tensor: name for name, arrays in SHARDS.items() for tensor in arrays}
    (made / checkpoint.INDEX).write_text(json.dumps({"weight_map": index}))
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        (made / name).write_text("{}")
    (made / "chat_template.jinja").write_text("{{ messages }}")
    (made / "README.md").write_text("not read by a build")
    return made


def read(folder: Path) -> ModelSource:
    return source.read(folder, name="mini", version="", classification=Classification.PUBLIC)


def told(folder: Path) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        read(folder)
    return [str(each) for each in caught.value.problems]


def test_a_whole_folder(folder: Path) -> None:
    found = read(folder)
    assert (found.form, found.context, found.missing, found.quantised) == (
        "checkpoint",
        4096,
        (),
        "",
    )
    assert found.shape is not None
    assert found.shape.kv_heads == 2
    assert found.version == found.digest[:12]
    assert "README.md" not in found.files
    assert set(SHARDS) < set(found.files)
    assert found.weight_bytes == sum((folder / name).stat().st_size for name in SHARDS)


def test_what_is_wrong_is_told_at_once(folder: Path) -> None:
    cut, other = sorted(SHARDS)
    content = (folder / cut).read_bytes()
    (folder / cut).write_bytes(content[:-3])
    (folder / other).write_bytes((folder / other).read_bytes() + b"x")
    (folder / "config.json").write_text(json.dumps({**LLAMA, "hidden_size": "64"}))
    size = len(content)
    assert told(folder) == [
        "config.json: hidden_size: a whole number above 0, not '64'",
        f"{cut}: a: ends at byte {size}, the file at {size - 3}: it is truncated",
        f"{other}: has 1 bytes after its last tensor, c: it was altered",
    ]


def test_an_index_that_does_not_agree(folder: Path) -> None:
    cut, other = sorted(SHARDS)
    (folder / cut).unlink()
    save_file({"b": np.ones(8, np.float16), "d": np.ones(2, np.float16)}, folder / other)
    assert told(folder) == [
        f"{cut}: is missing; {checkpoint.INDEX} has 1 tensors in it",
        f"{other}: c: is missing; {checkpoint.INDEX} names it",
        f"{other}: d: is not in {checkpoint.INDEX}",
    ]


def test_several_files_need_an_index(folder: Path) -> None:
    (folder / checkpoint.INDEX).unlink()
    assert told(folder) == [f"{checkpoint.INDEX}: is missing, with weights in 2 files"]


def test_a_config_alone_can_be_planned_and_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    assert read(tmp_path).missing == (
        "the weights: *.safetensors",
        "the tokenizer: one of tokenizer.json, tokenizer.model, vocab.json",
    )


@pytest.mark.parametrize(
    ("file", "value", "expected"),
    [
        (checkpoint.QUANTISATION, {"quantization": {"quant_algo": "FP8"}}, "fp8"),
        (checkpoint.QUANTISATION, {"quantization": {"quant_algo": "NVFP4"}}, "nvfp4"),
        (checkpoint.QUANTISATION, {"quantization": {"quant_algo": None}}, ""),
        ("config.json", {"quantization_config": {"quant_method": "awq"}}, "int4_awq"),
        ("config.json", {"quantization_config": {"quant_method": "fp8"}}, "fp8"),
        (
            "config.json",
            {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}},
            "fp8_block",
        ),
    ],
)
def test_what_a_checkpoint_says_of_its_weights(
    file: str, value: dict[str, Any], expected: str, folder: Path
) -> None:
    before = LLAMA if file == "config.json" else {}
    (folder / file).write_text(json.dumps({**before, **value}))
    assert read(folder).quantised == expected


def test_a_recipe_that_nobody_knows_is_refused(folder: Path) -> None:
    value = {**LLAMA, "quantization_config": {"quant_method": "hqq"}}
    (folder / "config.json").write_text(json.dumps(value))
    assert told(folder) == ["config.json: quantization_config: 'hqq' is not known here"]


SPEC = {
    "name": "mini",
    "model": {"huggingface": "models/mini", "classification": "public"},
    "backend": "tensorrt_llm",
    "version": "1.3.0",
    "container": f"mirror/tensorrt-llm@sha256:{'0' * 64}",
    "target": "L40S",
    "precision": "fp8",
    "classification": "internal",
    "limits": {"max_batch": 4, "max_sequence": 1024, "max_new_tokens": 256},
}


def planned(found: ModelSource, host: Facts, **changed: object) -> plan.Plan:
    spec = EngineSpec.model_validate({**SPEC, **changed})
    [target] = anywhere(["L40S"])
    return plan.plan(spec, found, host, target)


def test_weights_that_are_small_already_are_not_quantised_again(folder: Path, host: Facts) -> None:
    assert [step.action for step in planned(read(folder), host).steps] == ["huggingface_example.sh"]
    told = {"quantization": {"quant_algo": "FP8"}}
    (folder / checkpoint.QUANTISATION).write_text(json.dumps(told))
    found = planned(read(folder), host)
    assert found.steps == ()
    assert found.serve is not None
    assert found.serve.argv[:2] == ("trtllm-serve", "/model")
    assert found.missing == ()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"precision": "bf16"}, "precision: the model's weights are fp8 already, not bf16"),
        (
            {"mode": "engine", "version": "1.2.1"},
            "model: is fp8 already; mode engine starts from 16 bit, or take mode pytorch",
        ),
        ({"chat_template": "other.jinja"}, "chat_template: there is no other.jinja among"),
    ],
)
def test_what_does_not_go_with_the_folder(
    changed: dict[str, str], expected: str, folder: Path, host: Facts
) -> None:
    (folder / checkpoint.QUANTISATION).write_text('{"quantization": {"quant_algo": "FP8"}}')
    with pytest.raises(InvalidInput) as caught:
        planned(read(folder), host, **changed)
    assert str(caught.value.problems[0]).startswith(expected)


def test_vllm_takes_weights_as_they_are(folder: Path, host: Facts) -> None:
    vllm = {"backend": "vllm", "version": "0.33.0"}
    with pytest.raises(InvalidInput, match="vllm makes nothing smaller here"):
        planned(read(folder), host, **vllm)
    assert planned(read(folder), host, **vllm, precision="bf16").steps == ()


CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "weights": ("model-00001-of-00002.safetensors", {}),
    "config": ("config.json", {}),
    "tokenizer": ("tokenizer_config.json", {}),
    "chat_template": ("chat_template.jinja", {}),
    "generation": ("generation_config.json", {}),
    "container": ("", {"container": f"mirror/tensorrt-llm@sha256:{'1' * 64}"}),
    "kv_cache": ("", {"kv_cache": "fp8"}),
    "max_prompt": ("", {"limits": {**SPEC["limits"], "max_prompt": 512}}),  # type: ignore[dict-item]
    "max_tokens": ("", {"limits": {**SPEC["limits"], "max_tokens": 4096}}),  # type: ignore[dict-item]
    "tensor": ("", {"parallelism": {"tensor": 2}}),
    "backend": ("", {"version": "1.3.1"}),
}


@pytest.mark.parametrize("part", CHANGES)
def test_every_part_of_the_key_of_a_gpus_engine(part: str, folder: Path, host: Facts) -> None:
    before = planned(read(folder), host)
    file, changed = CHANGES[part]
    found = read(folder)
    if file:
        found = found.model_copy(update={"files": {**found.files, file: "0" * 64}})
    after = planned(found, host, **changed)
    assert part in key.difference(before.parts, after.parts)
    assert before.key != after.key


def test_the_host_that_plans_is_no_part_of_the_key(folder: Path, host: Facts) -> None:
    other = host.model_copy(update={"isa": ("neon",), "packages": {"vllm": "9"}})
    assert planned(read(folder), host).key == planned(read(folder), other).key


def test_edited_commands_are_refused(folder: Path, host: Facts) -> None:
    value = json.loads(planned(read(folder), host).to_json())
    value["steps"][0]["argv"].append("--trust_remote_code")
    with pytest.raises(InvalidInput, match="steps: are not those of the key"):
        plan.read(json.dumps(value))


def test_a_model_that_is_not_here_has_the_catalogs_shape() -> None:
    shape = catalog.models()["qwen3-8b"].shape
    found = source.planned("qwen3-8b", shape, Classification.PUBLIC)
    assert found.missing == ("the model's files",)
    assert found.context == shape.context


VLLM = {
    **{"backend": "vllm", "version": "0.33.0", "precision": "bf16"},
    "adapters": [{"name": "law", "huggingface": "adapters/law"}],
    "draft": {"huggingface": "models/small"},
}


def beside(folder: Path) -> ModelSource:
    folders = {"adapters/law": folder.parent / "law", "draft": folder.parent / "small"}
    return carried.read(read(folder), folders, folder.parent / "digests.json")


def test_what_is_served_beside_a_model_is_in_the_key(folder: Path, host: Facts) -> None:
    assert beside(folder).missing == ("the files of adapters/law", "the files of draft")
    for name in ("law", "small"):
        (folder.parent / name).mkdir()
        save_file({"a": np.ones(4, np.float16)}, folder.parent / name / "model.safetensors")
    before = planned(beside(folder), host, **VLLM)
    assert before.missing == ()
    save_file({"a": np.zeros(4, np.float16)}, folder.parent / "law" / "model.safetensors")
    after = planned(beside(folder), host, **VLLM)
    assert set(key.difference(before.parts, after.parts)) == {"beside"}


def test_an_adapter_that_is_a_pickle_or_was_cut_is_refused(folder: Path) -> None:
    for name in ("law", "small"):
        (folder.parent / name).mkdir()
    (folder.parent / "law" / "adapter_model.bin").write_bytes(b"\x80\x04")
    (folder.parent / "small" / "model.safetensors").write_bytes(b"\0")
    with pytest.raises(InvalidInput) as caught:
        beside(folder)
    told = [str(each) for each in caught.value.problems]
    assert "is a pickle" in told[0]
    assert told[1].startswith("draft/model.safetensors: has no whole header")
