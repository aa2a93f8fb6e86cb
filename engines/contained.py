"""What backends that run in a container on GPUs have in common: words, refusals, an answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from engines import catalog
from engines.backends import Answer, Question, Step, Words, listed
from engines.fit import Verdict
from engines.fit.memory import fit, weight_bytes
from engines.fit.question import ask, in_spec
from engines.needs import QUANTISE, needs
from engines.recipes import MODEL, Asked, Command, Recipe
from engines.recipes import version as parsed
from engines.source import EVALUATION
from landfall.errors import InvalidInput, Problem, Refused

KINDS = ("text_generation",)
GROUP = re.compile(r"^[a-z_][a-z0-9_]*$")
"""How Ansible writes a group of hosts. GPUs are written with capitals."""

TEMPLATE = "chat_template.jinja"

PLAIN_MODE = {"engine": "pytorch"}
"""A mode that serves what a build compiled, and the one that serves the model as it came."""
SIXTEEN = "bf16"


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
    plain = _plain(wanted, recipe)
    return Answer(
        steps=steps,
        serve=_step(found.serve, found.api),
        files=found.files,
        reference=_step(plain.serve) if plain else None,
        reference_files=plain.files if plain else {},
        notes=(*found.notes, *_calibration(steps), *_unmeasured(question, plain)),
        expected_bytes=weight_bytes(wanted.fit),
        ask=wanted.fit,
        needs=needs(wanted.fit, steps, question.source.weight_bytes, question.source.beside_bytes),
    )


def _plain(wanted: Asked, recipe: Callable[[Asked], Recipe]) -> Recipe | None:
    """What serves the same model at 16 bit with the same tool, where one host can hold it.

    Nothing where the model came quantised: what it was before is not here to compare with.
    """
    mode = PLAIN_MODE.get(wanted.fit.mode, wanted.fit.mode)
    plain = replace(wanted.fit, mode=mode, weights=SIXTEEN, cache=SIXTEEN)
    try:
        if wanted.ready or fit(plain).verdict is Verdict.NOT:
            return None
        return recipe(replace(wanted, fit=plain, timings=False, draft=0, adapters=()))
    except InvalidInput:  # this GPU or this version has no 16 bit
        return None


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


def _unmeasured(question: Question, plain: Recipe | None) -> Iterator[str]:
    """Gates that a build will not be able to run, told before it takes hours."""
    source = question.source
    if source.files and EVALUATION not in source.files:
        yield f"no gate can be run: the model has no {EVALUATION}, so nothing of it is released"
    elif source.files and plain is None:
        yield (
            "the gate for quality cannot be run: the model came quantised, or one host cannot hold "
            "it at 16 bit; so nothing of it is released"
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
