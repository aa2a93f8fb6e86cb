"""vLLM: one server, and no build.

Its command is in `engines.recipes.vllm`; it runs in a container that the spec pins. Nothing of it
was run on a GPU here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from engines import catalog, contained
from engines.backends import Answer, Question, Words
from engines.recipes import vllm
from landfall.errors import Problem

NAME = vllm.NAME
PACKAGE = "vllm"
CONTAINED = True
MODES = ("serve",)
CACHES = ("bf16", *(each for each in catalog.precisions(NAME, "cache") if each != "bf16"))


def problems(words: Words) -> list[Problem]:
    """Words that vLLM does not know."""
    return contained.problems(NAME, words, modes=MODES)


def version_problem(version: str | None) -> str:
    """Why this version has not even a number that can be compared, or nothing."""
    return contained.version_problem(NAME, version)


def refusals(question: Question) -> Iterator[Problem]:
    """Why vLLM cannot serve this on its target."""
    spec, source = question.spec, question.source
    yield from contained.refusals(question, vllm.refusals)
    if spec.precision not in {"bf16", source.quantised} and not source.missing:
        message = f"vllm makes nothing smaller here; take a model in {spec.precision}, or bf16"
        yield Problem(path="precision", message=message)
    if spec.timing_cache:
        yield Problem(path="timing_cache", message="nothing is built; leave it out")


def answer(question: Question) -> Answer:
    """The command of the version that the spec pins."""
    return contained.answer(question, vllm.recipe)


def quantiser(_precision: str, _version: str) -> str:
    """None: the model comes as it is served."""
    return "none"


steps = carry_out = open = open_graph = partial(contained.not_here, NAME)
"""What only tools do that run in our own process."""
