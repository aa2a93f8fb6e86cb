"""TensorRT-LLM, in mode `engine` (until 1.2.1) and in mode `pytorch` (since 1.0)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import yaml

from engines import catalog
from engines.fit.memory import BLOCK_TOKENS, problems
from engines.recipes import (
    CHECKPOINT,
    CONFIGURATION,
    ENGINE,
    EXAMPLES,
    MODEL,
    TIMING_CACHE,
    Asked,
    Command,
    Recipe,
    known_flags,
    options,
    version,
)
from landfall.errors import InvalidInput, Problem

NAME = "tensorrt_llm"

DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""The one in C writes the same in a tenth of the time; many plans are made at a time."""

NEW_SERVE = "1.3.0"
"""Since then: names of the served model, and telemetry that is on unless it is turned off."""

HEALTH = {"health": "/health"}
"""It can say 200 while generation hangs (serve/openai_server.py): a token is asked for, too."""

METRICS = {"metrics": "/prometheus/metrics"}
"""Only with `return_perf_metrics`; its /metrics is JSON, and forgets what was read."""

WEIGHT_ONLY = {"int8": "int8", "int4": "int4"}
"""Recipes that convert_checkpoint.py does by itself, without data."""

BY_MODELOPT = {
    "fp8": "fp8",
    "int8_sq": "int8_sq",
    "int4_awq": "int4_awq",
    "w4a8_awq": "w4a8_awq",
    "nvfp4": "nvfp4",
}
"""Recipes that need data to calibrate, by quantize.py's names."""

READY_ONLY = ("int4_gptq", "fp8_block", "mxfp4")
"""Recipes that a checkpoint must have already: nothing here makes them."""

CONVERTED = {"llama", "mistral", "mixtral"}
"""Families that convert_checkpoint.py of examples/models/core/llama takes."""

CALIBRATION, SEED, GROUP = 512, 1234, 128
"""Samples, the seed and the group of weights that shares a scale: quantize.py's own defaults,
written out so that a later default changes no engine."""


def recipe(asked: Asked) -> Recipe:
    """The commands.

    Raises:
        InvalidInput: the version, the precision or the GPU cannot do it; all reasons at once.
    """
    wrong = list(refusals(asked))
    if wrong:
        raise InvalidInput(f"{NAME} {asked.version} for {asked.served_name}", wrong)
    return _engine(asked) if asked.fit.mode == "engine" else _pytorch(asked)


def refusals(asked: Asked) -> Iterator[Problem]:
    """Why there is no recipe."""
    mode = asked.fit.mode
    try:
        wanted = version(asked.version)
    except ValueError as error:
        yield Problem(path="version", message=str(error))
        return
    first, last = catalog.window(NAME, mode)
    if wanted < version(first):
        yield Problem(path="version", message=f"mode {mode} begins with {first}")
    elif last and wanted > version(last):
        yield Problem(
            path="mode",
            message=f"{asked.version} builds no engines; {last} was the last that did. "
            f"The same in mode pytorch:\n{migrated(asked)}",
        )
    elif mode == "pytorch" and version(last_engine()) < wanted < version(NEW_SERVE):
        message = f"options between {last_engine()} and {NEW_SERVE} were not read; give either"
        yield Problem(path="version", message=message)
    elif not known_flags("trtllm-serve", asked.version):
        message = f"options of {asked.version} were not read; those of 1.0.0 to {last} were"
        yield Problem(path="version", message=message)
    if mode == "engine":
        yield from _not_made(asked)
    if not asked.prompt < asked.fit.sequence:
        message = f"must leave room for an answer below {asked.fit.sequence}, not {asked.prompt}"
        yield Problem(path="prompt", message=message)
    yield from problems(asked.fit)


def _not_made(asked: Asked) -> Iterator[Problem]:
    """Checkpoints that no script that was read makes."""
    weights, family = asked.fit.weights, asked.fit.shape.family
    if asked.ready:
        message = f"is {weights} already; mode engine starts from 16 bit, or take mode pytorch"
        yield Problem(path="model", message=message)
    elif weights in READY_ONLY:
        message = f"nothing here makes {weights} for mode engine; quantise it before, or take fp8"
        yield Problem(path="weights", message=message)
    elif weights not in BY_MODELOPT and family not in CONVERTED:
        known = ", ".join(sorted(CONVERTED))
        message = f"the conversion of {family} was not read; {known} were, or quantise the weights"
        yield Problem(path="model", message=message)


def last_engine() -> str:
    """The last version that builds engines."""
    return catalog.window(NAME, "engine")[1]


def migrated(asked: Asked) -> str:
    """The same spec in mode pytorch, as YAML; what is not known to run there is a comment."""
    fit = asked.fit
    told: dict[str, Any] = {
        "name": asked.served_name,
        "precision": fit.weights,
        "kv_cache": fit.cache,
        "parallelism": {"tensor": fit.tp, "pipeline": fit.pp},
        "limits": {
            "max_batch": fit.batch, "max_sequence": fit.sequence,
            "max_prompt": asked.prompt, "max_tokens": fit.tokens,
        },
    }  # fmt: skip
    told |= asked.written
    told |= {"backend": NAME, "mode": "pytorch", "version": asked.version}
    told.pop("timing_cache", None)
    lines = yaml.safe_dump(told, sort_keys=False).splitlines()
    for kind, name in (("weights", fit.weights), ("cache", fit.cache)):
        there = catalog.supported(NAME, "pytorch", kind, name, fit.gpu)
        lines += [] if there.answer else [f"# {name} {kind}: {there.why}"]
    return "\n".join(f"    {line}" for line in lines)


def _engine(asked: Asked) -> Recipe:
    fit = asked.fit
    workers = fit.gpus
    build = Command(
        tool="trtllm-build",
        argv=(
            "trtllm-build",
            *options(
                checkpoint_dir=CHECKPOINT,
                output_dir=ENGINE,
                max_batch_size=fit.batch,
                max_input_len=asked.prompt,
                max_seq_len=fit.sequence,
                max_num_tokens=fit.tokens,
                kv_cache_type="paged",
                tokens_per_block=BLOCK_TOKENS[NAME],
                # for FP8 the documents advise against the plugin
                gemm_plugin="disable" if fit.weights == "fp8" else "auto",
                use_paged_context_fmha="enable",
                input_timing_cache=TIMING_CACHE if asked.timings else None,
                output_timing_cache=TIMING_CACHE,
                workers=workers,
                log_level="info",
            ),
        ),
        why="Build one engine for each GPU, with the timings that are pinned."
        if asked.timings
        else "Build one engine for each GPU, and keep its timings.",
    )
    serve = Command(
        tool="trtllm-serve",
        argv=(
            *("trtllm-serve", ENGINE),
            # an engine is not recognised by itself, and has no tokenizer in it
            *options(backend="tensorrt", tokenizer=MODEL, host="127.0.0.1", port=asked.port),
            *_limits(asked),
            *options(chat_template=asked.chat_template or None),
        ),
        why="Serve it.",
    )
    notes = (f"mode engine: {catalog.end(NAME, 'engine')}. Offered first is mode pytorch.",)
    return Recipe(build=(_checkpoint(asked), build), serve=serve, notes=notes, api=HEALTH)


def _checkpoint(asked: Asked) -> Command:
    """Weights in TensorRT-LLM's own form, quantised or not."""
    fit = asked.fit
    split = {"tp_size": fit.tp, "pp_size": fit.pp}
    if fit.weights in BY_MODELOPT:
        return _quantised(asked, {"output_dir": CHECKPOINT, **split})
    return Command(
        tool="convert_checkpoint.py",
        argv=(
            *("python3", f"{EXAMPLES}/models/core/llama/convert_checkpoint.py"),
            *options(
                model_dir=MODEL,
                output_dir=CHECKPOINT,
                dtype="bfloat16",
                **split,
                use_weight_only=fit.weights in WEIGHT_ONLY,
                weight_only_precision=WEIGHT_ONLY.get(fit.weights),
                fp8_kv_cache=fit.cache == "fp8",
                int8_kv_cache=fit.cache == "int8",
                workers=fit.gpus,
            ),
        ),
        why="Convert the weights.",
    )


def _quantised(asked: Asked, out: dict[str, Any]) -> Command:
    fit = asked.fit
    awq = GROUP if "awq" in fit.weights else None
    return Command(
        tool="quantize.py",
        argv=(
            *("python3", f"{EXAMPLES}/quantization/quantize.py"),
            *options(
                model_dir=MODEL,
                dtype="bfloat16",
                qformat=BY_MODELOPT[fit.weights],
                awq_block_size=awq,
                kv_cache_dtype=fit.cache if fit.cache != "bf16" else None,
                calib_size=CALIBRATION,
                seed=SEED,
                **out,
            ),
        ),
        why="Quantise the weights, calibrated on data.",
    )


def _limits(asked: Asked) -> tuple[str, ...]:
    fit = asked.fit
    return options(
        max_batch_size=fit.batch,
        max_num_tokens=fit.tokens,
        max_seq_len=fit.sequence,
        tp_size=fit.tp,
        pp_size=fit.pp,
        kv_cache_free_gpu_memory_fraction=fit.fraction,
    )


def _pytorch(asked: Asked) -> Recipe:
    fit = asked.fit
    new = version(asked.version) >= version(NEW_SERVE)
    made = tuple(_modelopt(asked, new=new))
    served = CHECKPOINT if made else MODEL
    serve = Command(
        tool="trtllm-serve",
        argv=(
            *("trtllm-serve", served),
            *options(backend=None if new else "pytorch", tokenizer=MODEL),
            *options(host="127.0.0.1", port=asked.port),
            *_limits(asked),
            *options(chat_template=asked.chat_template or None),
            *(("--served_model_name", asked.served_name, "--no-telemetry") if new else ()),
            *options(extra_llm_api_options=CONFIGURATION),
        ),
        why="Serve it; the file overrides options of the same meaning.",
    )
    notes = () if new else ("until 1.2.1 it is served under the name of its folder.",)
    if fit.weights in READY_ONLY and not asked.ready:
        notes = (*notes, f"{fit.weights}: the model in {MODEL} must have it already.")
    if made and new:
        notes = (*notes, f"what ModelOpt's script exports is mounted at {CHECKPOINT}.")
    content = _written(json.dumps(configuration(asked)))
    files = {CONFIGURATION: content}
    return Recipe(build=made, serve=serve, files=files, notes=notes, api=HEALTH | METRICS)


def _modelopt(asked: Asked, *, new: bool) -> Iterator[Command]:
    """A checkpoint of ModelOpt in Hugging Face's form, where the weights are to be smaller."""
    if asked.fit.weights not in BY_MODELOPT or asked.ready:
        return
    if not new:
        yield _quantised(asked, {"output_dir": CHECKPOINT, "export_format": "hf"})
        return
    yield Command(
        tool="huggingface_example.sh",
        argv=(
            "scripts/huggingface_example.sh",
            *options(model=MODEL, quant=BY_MODELOPT[asked.fit.weights], export_fmt="hf"),
        ),
        why="Quantise with ModelOpt; TensorRT-LLM's own script went with its engines.",
    )


@lru_cache(maxsize=1024)
def _written(configuration: str) -> str:
    """A configuration as YAML; many plans have the same one."""
    return str(yaml.dump(json.loads(configuration), Dumper=DUMPER, sort_keys=False))


def configuration(asked: Asked) -> dict[str, Any]:
    """The file that trtllm-serve reads in mode pytorch."""
    fit = asked.fit
    return {
        "kv_cache_config": {
            "dtype": "auto" if fit.cache == "bf16" else fit.cache,
            "free_gpu_memory_fraction": fit.fraction,
            "tokens_per_block": BLOCK_TOKENS[NAME],
            "enable_block_reuse": True,
        },
        "cuda_graph_config": {"enable_padding": True, "max_batch_size": fit.batch},
        "enable_chunked_prefill": True,
        # without these two there are no numbers to watch
        "enable_iter_perf_stats": True,
        "return_perf_metrics": True,
    }
