"""TensorRT-LLM, in mode `pytorch` (offered first) and in mode `engine` (until 1.2.1).

Its commands are in `engines.recipes.tensorrt_llm`; they run in a container that the spec pins.
Nothing of it was run on a GPU here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from engines import catalog, contained
from engines.backends import Answer, Question, Words
from engines.recipes import tensorrt_llm
from landfall.errors import Problem

NAME = tensorrt_llm.NAME
PACKAGE = "tensorrt-llm"
CONTAINED = True
MODES = ("pytorch", "engine")
CACHES = ("bf16", *(each for each in catalog.precisions(NAME, "cache") if each != "bf16"))

NOT_READ = (
    "its key in TensorRT-LLM's configuration differs between versions and was not established; "
    "vllm takes one"
)


def problems(words: Words) -> list[Problem]:
    """Words that TensorRT-LLM does not know."""
    return contained.problems(NAME, words, modes=MODES)


def version_problem(version: str | None) -> str:
    """Why this version has not even a number that can be compared, or nothing."""
    return contained.version_problem(NAME, version)


def refusals(question: Question) -> Iterator[Problem]:
    """Why TensorRT-LLM cannot make this engine on its target."""
    spec = question.spec
    yield from contained.refusals(question, tensorrt_llm.refusals)
    for name, given in (("draft", spec.draft), ("adapters", spec.adapters)):
        if given:
            yield Problem(path=name, message=NOT_READ)
    if spec.generation.model_fields_set:
        message = (
            "TensorRT-LLM takes them from the model's generation_config.json; write them there"
        )
        yield Problem(path="generation", message=message)
    if spec.timing_cache and spec.mode != "engine":
        message = "only mode engine measures kernels; leave it out"
        yield Problem(path="timing_cache", message=message)


def answer(question: Question) -> Answer:
    """The commands of the version that the spec pins."""
    return contained.answer(question, tensorrt_llm.recipe)


def quantiser(precision: str, version: str) -> str:
    """The script of the container that makes numbers smaller, with what it starts from."""
    if precision in tensorrt_llm.BY_MODELOPT:
        samples, seed = tensorrt_llm.CALIBRATION, tensorrt_llm.SEED
        return f"ModelOpt of {NAME} {version}: {precision}, {samples} samples, seed {seed}"
    return f"{NAME} {version}: {precision}" if precision in tensorrt_llm.WEIGHT_ONLY else "none"


steps = carry_out = open = open_graph = partial(contained.not_here, NAME)
"""What only tools do that run in our own process."""
