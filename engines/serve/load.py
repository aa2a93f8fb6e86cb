"""From a signed folder to a loaded engine: verified every time, before a byte of it is used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engines import backends, facts, manifest, preflight, sign, tokenizer
from engines.backends import Runtime
from engines.manifest import Predicate
from engines.serve.defaults import Defaults, read
from engines.source import CHAT_TEMPLATE, GENERATION
from landfall import files
from landfall.errors import IntegrityError


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """An engine in memory, with what belongs to it. `kept` of its rows are for known prompts."""

    runtime: Runtime
    about: Predicate
    tokenizer: tokenizer.Tokenizer
    template: str
    defaults: Defaults
    end_tokens: frozenset[int]
    kept: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A folder whose every byte is what was signed, and which this host can run."""

    folder: Path
    about: Predicate


def verify(folder: Path, *, signature: Path, public_key: Path) -> Verified:
    """Verify the engine in `folder`.

    Raises:
        IntegrityError: the signature does not hold, or the files are not an engine.
        Refused: this host cannot run it, with every reason.
    """
    sign.verify(folder, signature, public_key)
    about = manifest.check(folder).predicate
    size = files.size(folder)
    preflight.check(about, facts.read(), size=size)
    return Verified(folder=folder, about=about)


def load(engine: Verified, *, threads: int, slots: int | None, kept: int = 0) -> Loaded:
    """Load an engine that generates text.

    Args:
        engine: the engine.
        threads: that take one step together.
        slots: requests that are answered at a time, or None for the engine's own number.
        kept: rows of the cache beside these, for prompts that were read before.

    Raises:
        IntegrityError: the files are not an engine.
    """
    folder, about = engine.folder, engine.about
    words = tokenizer.load(folder)
    defaults, end_tokens = read(folder / GENERATION)
    backend = backends.find(about.backend)
    rows = (slots or about.slots) + kept
    runtime = backend.open(folder, slots=rows, room=about.room, threads=threads)
    if words.vocabulary > runtime.vocabulary:
        raise IntegrityError(
            f"{folder}: the tokenizer has {words.vocabulary} tokens, the engine"
            f" {runtime.vocabulary}"
        )
    return Loaded(
        runtime=runtime,
        about=about,
        tokenizer=words,
        kept=kept,
        template=(folder / CHAT_TEMPLATE).read_text(encoding="utf-8"),
        defaults=defaults,
        end_tokens=end_tokens,
    )
