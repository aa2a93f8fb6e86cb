"""From a signed folder to a loaded engine: verified every time, before a byte of it is used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engines import backends, manifest, sign, tokenizer
from engines.backends import Runtime
from engines.manifest import Predicate
from engines.serve.defaults import Defaults, read
from engines.source import CHAT_TEMPLATE, GENERATION
from landfall.errors import IntegrityError, Refused


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


def load(
    folder: Path,
    *,
    signature: Path,
    public_key: Path,
    threads: int,
    slots: int | None,
    kept: int = 0,
) -> Loaded:
    """Verify the engine in `folder`, then load it.

    Args:
        folder: the engine.
        signature: of the folder.
        public_key: of who must have signed it.
        threads: that take one step together.
        slots: requests that are answered at a time, or None for the engine's own number.
        kept: rows of the cache beside these, for prompts that were read before.

    Raises:
        IntegrityError: the signature does not hold, or the files are not an engine.
        Refused: the engine was built for other software than is installed here.
    """
    sign.verify(folder, signature, public_key)
    about = manifest.check(folder).predicate
    _check_software(about)
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
