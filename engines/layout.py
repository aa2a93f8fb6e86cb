"""Where the parts of an engine lie: in its own folder, and in the container that serves it.

A container sees the engine's folder as `/work` and the model's files as `/model`, both read-only;
a draft model and adapters that the folder has, as `/draft` and `/adapters`.
So a path of a recipe and a path of the folder are one: `/work/engine` is `engine/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.beside import ADAPTERS as ADAPTERS_FOLDER
from engines.beside import DRAFT as DRAFT_FOLDER
from engines.checkpoint import INDEX
from engines.recipes import ADAPTERS, DRAFT, MODEL, TIMING_CACHE
from engines.source import EVALUATION

WORK = "/work"
MODEL_FOLDER = "model"
TIMINGS = TIMING_CACHE.removeprefix(f"{WORK}/")
"""What a build measured of kernels: kept, so that the next one may choose the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A folder or file of the host, and where a container sees it."""

    source: Path
    target: str
    writable: bool = False


def place(path: str) -> str:
    """The place in an engine's folder of a path that a container sees."""
    return path.removeprefix(f"{WORK}/").lstrip("/")


def parts(argv: Iterable[str]) -> Iterator[str]:
    """The parts below `/work` that a command names: the first piece of each path, each once."""
    words = (word for word in argv if word.startswith(f"{WORK}/"))
    yield from dict.fromkeys(place(word).partition("/")[0] for word in words)


def serving(folder: Path) -> tuple[Mount, ...]:
    """What the container that serves the engine in `folder` sees."""
    beside = {DRAFT: DRAFT_FOLDER, ADAPTERS: ADAPTERS_FOLDER}
    return (
        Mount(source=folder, target=WORK),
        Mount(source=folder / MODEL_FOLDER, target=MODEL),
        *(
            Mount(source=folder / name, target=target)
            for target, name in beside.items()
            if (folder / name).is_dir()
        ),
    )


def serves_model(argv: Sequence[str]) -> bool:
    """Whether a command serves the model's own weights; else it reads its tokenizer at most."""
    pairs = zip(["", *argv], argv, strict=False)
    return any(word == MODEL and before != "--tokenizer" for before, word in pairs)


def of_model(files: Iterable[str], argv: Sequence[str]) -> list[str]:
    """The files of a model that serving with the command `argv` reads."""
    whole = serves_model(argv)
    return [
        name
        for name in files
        if name != EVALUATION and (whole or not (name.endswith(".safetensors") or name == INDEX))
    ]
