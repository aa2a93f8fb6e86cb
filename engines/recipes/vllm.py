"""vLLM: one server, no build. Options are those of the wheel that was read."""

from __future__ import annotations

import json
from collections.abc import Iterator

from engines import catalog
from engines.fit.memory import BLOCK_TOKENS, problems
from engines.recipes import (
    ADAPTERS,
    DRAFT,
    GENERATION,
    MODEL,
    Asked,
    Command,
    Recipe,
    options,
    version,
)
from landfall.errors import InvalidInput, Problem

NAME = "vllm"

QUIET = {"VLLM_NO_USAGE_STATS": "1", "VLLM_DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
"""It reports its use and looks models up unless it is told not to (envs.py)."""

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What `--max-lora-rank` takes (MaxLoRARanks in vllm/config/lora.py); an adapter may have less."""

API = {"health": "/health", "metrics": "/metrics", "generated": "vllm:generation_tokens_total"}


def recipe(asked: Asked) -> Recipe:
    """The command.

    Raises:
        InvalidInput: the version, the precision or the GPU cannot do it; all reasons at once.
    """
    wrong = list(refusals(asked))
    if wrong:
        raise InvalidInput(f"{NAME} {asked.version} for {asked.served_name}", wrong)
    fit = asked.fit
    serve = Command(
        tool=NAME,
        argv=(
            *("vllm", "serve", MODEL),
            *("--served-model-name", asked.served_name, "--host", "127.0.0.1"),
            *options(port=asked.port, dtype="bfloat16"),
            *("--kv-cache-dtype", "auto" if fit.cache == "bf16" else fit.cache),
            *("--tensor-parallel-size", str(fit.tp), "--pipeline-parallel-size", str(fit.pp)),
            *("--max-model-len", str(fit.sequence), "--max-num-seqs", str(fit.batch)),
            *("--max-num-batched-tokens", str(fit.tokens)),
            *("--gpu-memory-utilization", f"{fit.fraction:g}"),
            *("--block-size", str(BLOCK_TOKENS[NAME]), "--enable-prefix-caching"),
            *(("--chat-template", asked.chat_template) if asked.chat_template else ()),
            *_beside(asked),
        ),
        why="Serve it.",
        environment=QUIET,
    )
    ready = f"{fit.weights}: the model in {MODEL} must have it already."
    notes = () if fit.weights == "bf16" or asked.ready else (ready,)
    settings = f"{GENERATION}/generation_config.json"
    files = {settings: json.dumps(asked.generation, indent=2)} if asked.generation else {}
    return Recipe(build=(), serve=serve, files=files, notes=notes, api=API)


def _beside(asked: Asked) -> Iterator[str]:
    """What is served beside the model: other settings, a draft model, adapters."""
    if asked.generation:
        yield from ("--generation-config", GENERATION)
    if asked.draft:
        told = {"model": DRAFT, "num_speculative_tokens": asked.draft, "method": "draft_model"}
        yield from ("--speculative-config", json.dumps(told))
    if asked.adapters:
        rank = min(each for each in RANKS if each >= asked.rank)
        yield from ("--enable-lora", "--max-lora-rank", str(rank))
        yield from ("--max-loras", str(len(asked.adapters)), "--lora-modules")
        yield from (f"{name}={ADAPTERS}/{name}" for name in asked.adapters)


def refusals(asked: Asked) -> Iterator[Problem]:
    """Why there is no recipe."""
    first, last = catalog.window(NAME, "serve")
    try:
        wanted = version(asked.version)
    except ValueError as error:
        yield Problem(path="version", message=str(error))
        return
    if not version(first) <= wanted <= version(last):
        known = first if first == last else f"{first} to {last}"
        message = f"options of {known} were read, not those of {asked.version}"
        yield Problem(path="version", message=message)
    if asked.adapters and asked.rank > RANKS[-1]:
        message = f"an adapter has rank {asked.rank}; {NAME} takes {RANKS[-1]} at most"
        yield Problem(path="adapters", message=message)
    yield from problems(asked.fit)
