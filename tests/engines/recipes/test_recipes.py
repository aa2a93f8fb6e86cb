"""Commands for each case, to the letter; and no option that the version does not have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from engines import catalog, recipes
from engines.fit import Ask
from engines.fit.memory import shape_of
from engines.recipes import Asked, Recipe, tensorrt_llm
from landfall.errors import InvalidInput

GOLDEN = Path(__file__).parent / "golden"

CASES: dict[str, dict[str, Any]] = {
    "engine-bf16": {"mode": "engine"},
    "engine-int8": {"mode": "engine", "weights": "int8", "cache": "int8", "gpu": "A40"},
    "engine-fp8": {"mode": "engine", "weights": "fp8", "cache": "fp8", "tp": 2},
    "engine-int8-sq": {"mode": "engine", "weights": "int8_sq", "gpu": "A40"},
    "engine-int4-awq": {"mode": "engine", "weights": "int4_awq", "gpu": "A40"},
    "engine-w4a8-awq": {"mode": "engine", "weights": "w4a8_awq", "cache": "fp8"},
    "engine-nvfp4": {"mode": "engine", "weights": "nvfp4", "cache": "fp8", "gpu": "B200"},
    "pytorch-1.2-bf16": {},
    "pytorch-1.2-fp8": {"weights": "fp8", "cache": "fp8", "tp": 4},
    "pytorch-1.2-fp8-cache-a40": {"cache": "fp8", "gpu": "A40"},
    "pytorch-1.3-fp8": {"weights": "fp8", "cache": "fp8", "version": "1.3.0"},
    "pytorch-1.3-gptq": {"weights": "int4_gptq", "version": "1.3.0"},
    "pytorch-1.3-template": {"version": "1.3.0", "chat_template": "/model/chat.jinja"},
    "vllm-bf16": {"backend": "vllm", "mode": "serve", "version": "0.33.0"},
    "vllm-fp8-tp2": {
        **{"backend": "vllm", "mode": "serve", "version": "0.33.0"},
        **{"weights": "fp8", "tp": 2},
    },
}


def asked(**given: Any) -> Asked:
    usual: dict[str, Any] = {"model": "llama-3.1-8b", "gpu": "L40S", "mode": "pytorch"}
    values = {**usual, **given}
    version = values.pop("version", "1.2.1")
    prompt, template = values.pop("prompt", 4096), values.pop("chat_template", "")
    model, gpu = values.pop("model"), values.pop("gpu")
    fit = Ask(
        model=model,
        shape=shape_of(model),
        gpu=catalog.gpus()[gpu],
        **{"batch": 16, "sequence": 8192, **values},
    )
    return Asked(
        fit=fit, version=version, served_name="assistant", prompt=prompt, chat_template=template
    )


def made(question: Asked) -> Recipe:
    return recipes.recipe(question)


@pytest.mark.parametrize("name", CASES)
def test_the_commands_are_these(name: str) -> None:
    assert made(asked(**CASES[name])).shown == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", CASES)
def test_no_option_is_one_that_the_version_does_not_have(name: str) -> None:
    question = asked(**CASES[name])
    found = made(question)
    for command in (*found.build, found.serve):
        # ModelOpt has versions of its own
        assert recipes.known_flags(command.tool, question.version)
        assert list(recipes.unknown(command, question.version)) == []


def test_an_option_that_is_gone_is_found() -> None:
    command = recipes.Command(
        tool="trtllm-build", argv=("trtllm-build", "--max_output_len", "8"), why=""
    )
    assert list(recipes.unknown(command, "1.2.1")) == ["--max_output_len"]
    assert list(recipes.unknown(command, "1.3.0")) == ["--max_output_len"]
    assert recipes.known_flags("trtllm-build", "1.3.0") == frozenset()


def test_every_key_of_the_configuration_is_known() -> None:
    written = tensorrt_llm.configuration(asked(cache="fp8"))
    keys = {
        f"{name}.{inner}" if isinstance(value, dict) else name
        for name, value in written.items()
        for inner in (value if isinstance(value, dict) else [""])
    }
    assert keys <= recipes.known_keys()


def test_the_configuration_is_yaml_and_says_what_the_command_says() -> None:
    question = asked(weights="fp8", cache="fp8")
    [text] = made(question).files.values()
    told = yaml.safe_load(text)
    assert told["kv_cache_config"]["free_gpu_memory_fraction"] == question.fit.fraction
    assert told["cuda_graph_config"]["max_batch_size"] == question.fit.batch


def test_telemetry_is_off_where_it_would_be_on() -> None:
    assert "--no-telemetry" in made(asked(version="1.3.0")).serve.argv
    assert made(asked(**CASES["vllm-bf16"])).serve.environment["VLLM_NO_USAGE_STATS"] == "1"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"mode": "engine", "version": "1.3.0"}, "1.3.0 builds no engines; 1.2.1 was the last"),
    ({"mode": "engine", "version": "0.15.0"}, "mode engine begins with 0.16.0"),
    ({"version": "0.21.0"}, "mode pytorch begins with 1.0.0"),
    ({"version": "1.2"}, "'1.2' is no exact version such as 1.2.1"),
    ({"prompt": 8192}, "prompt: must leave room for an answer below 8192, not 8192"),
    ({"weights": "fp8", "gpu": "A40"}, "fp8 weights need compute capability 8.9"),
    ({"mode": "engine", "weights": "int4_gptq"}, "nothing here makes int4_gptq"),
    ({"mode": "engine", "model": "qwen3-8b"}, "the conversion of qwen3 was not read"),
    (
        {"backend": "vllm", "mode": "serve", "version": "0.34.0"},
        "options of 0.33.0 were read, not those of 0.34.0",
    ),
]


@pytest.mark.parametrize(("given", "expected"), REFUSED)
def test_what_no_recipe_can_be_is_refused(given: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        made(asked(**given))
    assert expected in str(caught.value)


def test_an_engine_on_a_version_that_has_none_is_shown_in_the_other_mode() -> None:
    question = asked(mode="engine", version="1.3.0", weights="int8", cache="fp8")
    with pytest.raises(InvalidInput) as caught:
        made(question)
    told = str(caught.value)
    for line in (
        "mode: pytorch",
        "# int8 weights: not established",
        "kv_cache: fp8",
        "max_sequence: 8192",
    ):
        assert line in told


def test_a_mode_without_a_future_says_so() -> None:
    assert "no more fixes" in made(asked(mode="engine")).shown
    assert "no more fixes" not in made(asked()).shown


@pytest.mark.parametrize(
    ("earlier", "later"),
    [("1.2.0", "1.2.1"), ("1.3.0rc20", "1.3.0"), ("1.3.0rc9", "1.3.0rc20"), ("0.21.0", "1.0.0")],
)
def test_versions_are_compared_as_numbers(earlier: str, later: str) -> None:
    assert recipes.version(earlier) < recipes.version(later)


def test_a_name_that_the_shell_would_read_is_quoted() -> None:
    question = asked(version="1.3.0")
    strange = replace(question, served_name="a b; rm -rf /")
    assert "'a b; rm -rf /'" in made(strange).shown


@pytest.mark.parametrize(("rank", "given"), [(1, "1"), (12, "16"), (64, "64"), (300, "320")])
def test_vllm_takes_only_some_ranks(rank: int, given: str) -> None:
    question = asked(backend="vllm", mode="serve", version="0.33.0")
    argv = made(replace(question, adapters=("law",), rank=rank)).serve.argv
    assert argv[argv.index("--max-lora-rank") + 1] == given


def test_a_rank_that_vllm_does_not_take() -> None:
    question = asked(backend="vllm", mode="serve", version="0.33.0")
    with pytest.raises(InvalidInput, match="rank 513; vllm takes 512 at most"):
        made(replace(question, adapters=("law",), rank=513))
