"""From a signed folder to a loaded engine: verified every time, before a byte of it is used."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from engines import backends, manifest, sign, tokenizer
from engines.backends import Runtime
from engines.manifest import Predicate
from engines.serve.requests import Defaults
from engines.source import CHAT_TEMPLATE, GENERATION
from landfall.errors import IntegrityError, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """An engine in memory, with what belongs to it."""

    runtime: Runtime
    about: Predicate
    tokenizer: tokenizer.Tokenizer
    template: str
    defaults: Defaults
    end_tokens: frozenset[int]


def load(
    folder: Path, *, signature: Path, public_key: Path, threads: int, slots: int | None
) -> Loaded:
    """Verify the engine in `folder`, then load it. `slots`: rows, or None for the engine's own.

    Raises:
        IntegrityError: the signature does not hold, or the files are not an engine.
        Refused: the engine was built for other software than is installed here.
    """
    sign.verify(folder, signature, public_key)
    about = manifest.check(folder).predicate
    _check_software(about)
    words = tokenizer.load(folder)
    defaults, end_tokens = _generation(folder / GENERATION)
    backend = backends.find(about.backend)
    runtime = backend.open(folder, slots=slots or about.slots, room=about.room, threads=threads)
    if words.vocabulary > runtime.vocabulary:
        raise IntegrityError(
            f"{folder}: the tokenizer has {words.vocabulary} tokens, the engine"
            f" {runtime.vocabulary}"
        )
    return Loaded(
        runtime=runtime,
        about=about,
        tokenizer=words,
        template=(folder / CHAT_TEMPLATE).read_text(encoding="utf-8"),
        defaults=defaults,
        end_tokens=end_tokens,
    )


def _check_software(about: Predicate) -> None:
    from importlib import metadata

    if about.backend not in backends.names():
        raise Refused(f"the engine is for the backend {about.backend!r}, which is not there")
    package = backends.find(about.backend).PACKAGE
    try:
        here = metadata.version(package)
    except metadata.PackageNotFoundError:
        here = "not installed"
    if here != about.backend_version:
        raise Refused(
            f"the engine was built and measured with {package} {about.backend_version};"
            f" here it is {here}",
            hint="Build it again with the facts of this host.",
        )


def _generation(path: Path) -> tuple[Defaults, frozenset[int]]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        longest = value.get("max_new_tokens")
        ends = value.get("eos_token_id", [])
        defaults = Defaults(
            temperature=float(value.get("temperature", 1.0)),
            top_p=float(value.get("top_p", 1.0)),
            max_tokens=None if longest is None else int(longest),
        )
        found = frozenset(int(each) for each in (ends if isinstance(ends, list) else [ends]))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{path}: not generation settings: {error}") from error
    return defaults, found
