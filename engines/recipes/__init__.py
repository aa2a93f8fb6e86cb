"""The exact commands that make and serve an engine, for a pinned version of a tool.

A recipe is a value: nothing is run, and the same question gives the same text. Every option is one
that the version is known to have (engines/catalog/flags.toml).
"""

from __future__ import annotations

import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from engines import beside, catalog
from engines.fit import Ask

FLAGS = Path(catalog.__file__).parent / "flags.toml"

MODEL, CHECKPOINT, ENGINE = "/model", "/work/checkpoint", "/work/engine"
TIMING_CACHE = "/work/timing.cache"
CONFIGURATION = "/work/serve.yaml"
GENERATION = "/work/generation"
DRAFT, ADAPTERS = f"/{beside.DRAFT}", f"/{beside.ADAPTERS}"
"""Where a step finds things: folders that are mounted into its container."""

EXAMPLES = "/app/tensorrt_llm/examples"
"""Where the release image has TensorRT-LLM's own scripts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a recipe is for.

    Attributes:
        fit: model, GPUs, precision and limits.
        version: of the tool, exactly.
        served_name: which clients give as `model`.
        prompt: the longest prompt, in tokens.
        port: of loopback, where it answers.
        chat_template: the file with the template that the model was trained with, or none.
        ready: whether the model has its weights in the asked recipe already.
        timings: whether a build starts from timings that are pinned.
        generation: what a request that does not say gets, in place of the model's own.
        draft: tokens that a draft model guesses at a time; 0 without one.
        adapters: names of LoRAs; `rank` is the highest of them.
        written: the spec that asks, as plain data; empty where there is none.
    """

    fit: Ask
    version: str
    served_name: str
    prompt: int
    port: int = 8000
    chat_template: str = ""
    ready: bool = False
    timings: bool = True
    generation: Mapping[str, float] = field(default_factory=dict)
    draft: int = 0
    adapters: tuple[str, ...] = ()
    rank: int = 0
    written: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One step: a program, its options, and why it is there."""

    tool: str
    argv: tuple[str, ...]
    why: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """As one would type it, an option a line."""
        words = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        lines: list[list[str]] = [words] if words else [[]]
        for word in self.argv:
            if word.startswith("--"):
                lines.append([])
            lines[-1].append(shlex.quote(word))
        return " \\\n  ".join(" ".join(line) for line in lines if line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Steps of a build in order, what serves, and the files that it reads.

    `api` says where what serves tells how it is: `health`, a path that answers 200 while it is;
    `metrics`, a path for Prometheus; `generated`, the counter there of tokens that were made. What
    the tool does not have is left out.
    """

    build: tuple[Command, ...]
    serve: Command
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    api: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """Everything as text."""
        parts = [f"# {note}" for note in self.notes]
        for command in (*self.build, self.serve):
            parts += [f"# {command.why}", command.shown, ""]
        for path, content in self.files.items():
            parts += [f"# {path}", content]
        return "\n".join(parts).rstrip() + "\n"


def recipe(asked: Asked) -> Recipe:
    """The recipe of the backend that is asked for.

    Raises:
        InvalidInput: there is none; all reasons at once.
    """
    module = importlib.import_module(f"{__name__}.{asked.fit.backend}")
    return cast(Recipe, module.recipe(asked))


def options(**values: str | float | bool | None) -> tuple[str, ...]:
    """Options as words; True is an option without a value, None and False are none."""
    words: list[str] = []
    for name, value in values.items():
        flag = f"--{name}"
        if value is True:
            words.append(flag)
        elif value is not None and value is not False:
            words += [flag, str(value)]
    return tuple(words)


@cache
def version(text: str) -> tuple[int, ...]:
    """A version to compare: its numbers, and a pre-release below its release.

    Raises:
        ValueError: it is no version.
    """
    match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)(?:rc(\d+))?", text)
    if match is None:
        raise ValueError(f"{text!r} is no exact version such as 1.2.1")
    major, minor, patch, candidate = match.groups()
    return int(major), int(minor), int(patch), 10_000 if candidate is None else int(candidate)


def unknown(command: Command, wanted: str) -> Iterator[str]:
    """Options of a command that `wanted`, the version of its tool, is not known to have."""
    known = known_flags(command.tool, wanted)
    for word in command.argv:
        if word.startswith("--") and word not in known:
            yield word


def known_flags(tool: str, wanted: str) -> frozenset[str]:
    """The options of a tool in one version; none where no table is for it."""
    asked = version(wanted)
    for each in _tables()["tool"]:
        first, last = each.get("first", "0.0.0"), each.get("last", "999.0.0")
        if each["name"] == tool and version(first) <= asked <= version(last):
            return frozenset(each["flags"].split())
    return frozenset()


def known_keys() -> frozenset[str]:
    """The keys that TensorRT-LLM's configuration may have."""
    return frozenset(_tables()["configuration"]["keys"].split())


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(FLAGS.read_text())
