"""What travels with a model: the draft model and the adapters, as they are read and compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engines import digest, foreign, tensors
from engines.source import ModelSource, differing
from landfall.errors import IntegrityError, InvalidInput, Problem


def read(found: ModelSource, folders: Mapping[str, Path], remembered: Path) -> ModelSource:
    """`found` with what is served beside it: folders by their places in the engine.

    Raises:
        InvalidInput: one of them is of a format that is not served, or was cut or altered.
    """
    known, missing, problems, size = {}, list(found.missing), [], 0
    for place, folder in folders.items():
        plain = sorted(path for path in folder.glob("[!.]*") if path.is_file())
        if not plain:
            missing.append(f"the files of {place}")
            continue
        if wrong := foreign.by_content(folder):
            problems.append(Problem(path=place, message=wrong))
        problems += [
            Problem(path=f"{place}/{each.path}", message=each.message)
            for path in plain
            if path.suffix == ".safetensors"
            for each in tensors.problems(path)
        ]
        read_ = digest.of_files(plain, remembered=remembered)
        known[place] = {path.name: value for path, value in read_.items()}
        size += sum(path.stat().st_size for path in plain)
    if problems:
        raise InvalidInput(f"beside {found.name}", problems)
    told = {"beside": known, "beside_bytes": size, "missing": tuple(missing)}
    return found.model_copy(update=told)


def verify(folders: Mapping[str, Path], source: ModelSource) -> None:
    """Compare what is served beside the model with what the plan was made for.

    Raises:
        IntegrityError: names every file that is missing or differs.
    """
    wrong = []
    for place, files in sorted(source.beside.items()):
        if place not in folders:
            wrong.append(f"{place} is not given")
        else:
            wrong += [f"{place}: {each}" for each in differing(folders[place], files)]
    if wrong:
        raise IntegrityError(
            f"beside {source.name} is not what the plan was made for: {'; '.join(wrong)}",
            hint="Fetch it again, or plan again if it was changed on purpose.",
        )
