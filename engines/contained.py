"""What backends that run in a container on GPUs have in common: words, refusals, an answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NoReturn

from engines import catalog
from engines.backends import Answer, Question, Step, Words, listed
from engines.fit.memory import weight_bytes
from engines.fit.question import ask, in_spec
from engines.needs import QUANTISE, needs
from engines.recipes import MODEL, Asked, Command, Recipe
from engines.recipes import version as parsed
from landfall.errors import Problem, Refused

KINDS = ("text_generation",)
GROUP = re.compile(r"^[a-z_][a-z0-9_]*$")
"""How Ansible writes a group of hosts. GPUs are written with capitals."""

TEMPLATE = "chat_template.jinja"


def problems(tool: str, words: Words, *, modes: Sequence[str]) -> list[Problem]:
    """Words of a spec that `tool` does not know."""
    found = []
    known = {
        "mode": modes,
        "kind": KINDS,
        "precision": catalog.precisions(tool, "weights"),
        "kv_cache": catalog.precisions(tool, "cache"),
    }
    for name, allowed in known.items():
        word = getattr(words, name)
        if word is not None:
            found += listed(name, word, allowed, tool)
    if words.version is not None and (wrong := version_problem(tool, words.version)):
        found.append(Problem(path="version", message=wrong))
    if words.target is not None and (wrong := _target(tool, words.target)):
        found.append(Problem(path="target", message=wrong))
    return found


def version_problem(tool: str, version: str | None) -> str:
    """Why a version is none, or nothing."""
    if not version:
        return f"required for {tool}: its exact version, such as {_example(tool)}"
    try:
        parsed(version)
    except ValueError as error:
        return str(error)
    return ""


def refusals(
    question: Question, of_recipe: Callable[[Asked], Iterator[Problem]]
) -> Iterator[Problem]:
    """What all of them refuse, and what the recipe does."""
    spec, source, target = question.spec, question.source, question.target
    if source.form != "checkpoint":
        message = f"{spec.backend} needs a Hugging Face folder: config.json with safetensors"
        yield Problem(path="model", message=message)
    if 0 < target.most < spec.parallelism.gpus:
        message = (
            f"takes {spec.parallelism.gpus} GPUs of one host; no host of the site has more than "
            f"{target.most} of {target.name}"
        )
        yield Problem(path="parallelism", message=message)
    if spec.chat_template and spec.chat_template not in source.files and not source.missing:
        message = f"there is no {spec.chat_template} among the model's files"
        yield Problem(path="chat_template", message=message)
    if source.quantised and source.quantised != spec.precision:
        message = f"the model's weights are {source.quantised} already, not {spec.precision}"
        yield Problem(path="precision", message=message)
    if source.shape is not None and target.gpu is not None:
        yield from in_spec(of_recipe(asked(question)))


def not_here(tool: str, *_: object, **__: object) -> NoReturn:
    """What a tool in a container says to those who want to run it in our own process.

    Raises:
        Refused: always.
    """
    raise Refused(
        f"{tool} runs in its container on a host with the GPU, not in this process",
        hint="Its commands are in the plan: landfall engine plan ENGINE --json",
    )


def answer(question: Question, recipe: Callable[[Asked], Recipe]) -> Answer:
    """What would be done, where nothing is refused."""
    wanted = asked(question)
    found = recipe(wanted)
    steps = tuple(_step(each) for each in found.build)
    return Answer(
        steps=steps,
        serve=_step(found.serve, found.api),
        files=found.files,
        notes=(*found.notes, *_calibration(steps)),
        expected_bytes=weight_bytes(wanted.fit),
        ask=wanted.fit,
        needs=needs(wanted.fit, steps, question.source.weight_bytes),
    )


def asked(question: Question) -> Asked:
    """What the recipe is asked.

    Raises:
        TypeError: model or GPU is not known; `refusals` tells first.
    """
    spec, source, gpu = question.spec, question.source, question.target.gpu
    if source.shape is None or gpu is None:
        raise TypeError(f"{spec.name}: no shape or no GPU")
    template = spec.chat_template or (TEMPLATE if TEMPLATE in source.files else "")
    return Asked(
        fit=ask(spec, source.shape, gpu),
        version=question.version,
        served_name=spec.name,
        prompt=spec.limits.prompt,
        chat_template=f"{MODEL}/{template}" if template else "",
        ready=bool(source.quantised) and source.quantised == spec.precision,
        timings=spec.timing_cache is not None,
        generation=spec.generation.model_dump(exclude_none=True),
        draft=spec.draft.tokens if spec.draft else 0,
        adapters=tuple(each.name for each in spec.adapters),
        rank=max((each.rank for each in spec.adapters), default=0),
        written=spec.model_dump(mode="json", exclude_unset=True),
    )


def _calibration(steps: Iterable[Step]) -> Iterator[str]:
    if any(step.action in QUANTISE for step in steps):
        yield (
            "calibration reads the script's own data set (cnn_dailymail for quantize.py): mirror "
            "it into the container, which reaches no network, or bring weights that are small"
        )


def _step(command: Command, settings: Mapping[str, str] | None = None) -> Step:
    return Step(
        action=command.tool,
        settings=settings or {},
        argv=command.argv,
        environment=command.environment,
        why=command.why,
    )


def _target(tool: str, word: str) -> str:
    if word in catalog.gpus():
        return ""
    known = ", ".join(catalog.gpus())
    if word == "cpu":
        return f"{tool} makes engines for GPUs: {known}, or a group of the inventory; not for cpu"
    if GROUP.match(word):
        return ""
    return f"no GPU {word!r}; there are {known}, or a group of the inventory"


def _example(tool: str) -> str:
    """A version that is known: the last that a mode has, or else its first."""
    windows = [catalog.window(tool, mode) for mode in catalog.modes_of(tool)]
    return max((last for _, last in windows), default="") or windows[0][0]
