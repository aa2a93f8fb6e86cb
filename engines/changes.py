"""What an apply would do to engines, as `Change` values: which are built again, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from engines import key
from engines.key import Parts
from engines.plan import Plan
from landfall.model.change import SEVERITY_OF, Change, Detail, Half, Kind, Severity

DIGEST_LENGTH = 64
SHORT = 12
"""Digits of a digest that a reader gets to see."""

WORDS = {
    "weights": "the model's weights",
    "graph": "the model's graph",
    "config": "the model's shape",
    "tokenizer": "the tokenizer",
    "chat_template": "the chat template",
    "generation": "the generation settings",
    "evaluation": "the held-out text",
    "training_data": "the training data",
    "target": "the kind of host",
    "format": "the format of engine folders",
    "cuda": "CUDA",
    "compute_capability": "the compute capability",
    "kv_cache": "the precision of the cache",
    "tensor": "the number of GPUs that share a layer",
    "pipeline": "the number of groups of layers",
    "max_prompt": "the longest prompt",
    "max_tokens": "the tokens of a step",
    "timing_cache": "the pinned timings",
    "settings": "the spec's generation settings",
    "beside": "the draft model or the adapters",
    "commands": "the commands of the build",
}
"""Parts of the key whose own name does not say it."""

VALUES = {
    "precision", "backend", "target", "kind", "mode", "cuda", "compute_capability", "kv_cache",
    "tensor", "pipeline", "max_prompt", "max_tokens",
}  # fmt: skip
"""Parts whose values are told, not only that they changed."""


def compare(
    environment: str,
    *,
    before: Parts | None,
    after: Plan,
    stored: Collection[str],
    label: str = "",
) -> Change | None:
    """What carrying out `after` changes, or None where nothing does.

    Args:
        environment: dev, staging or prod.
        before: the parts of the engine that answers now, or None where none does.
        after: the plan.
        stored: keys of the engines that the store holds.
        label: what the change is told of, where that is not the served name alone.
    """
    built = after.key in stored
    short = after.key[:SHORT]
    what = f"{after.engine} {after.precision} for {after.target}"
    origin = f"{after.source.name} version {after.source.version}"
    label = label or after.engine
    if after.missing:
        return unknown(environment, label, f"missing: {'; '.join(after.missing)}")
    if before is None:
        doing = f"deliver {short}, built before" if built else f"build {short} from {origin}"
        return _change(environment, label, Kind.CREATE, f"{what}: {doing}")
    differing = key.difference(before, after.parts)
    if not differing:
        if built:
            return None
        reason = "nothing that matters differs, but the store does not hold it"
        summary = f"{what}: build {short} again"
        return _change(environment, label, Kind.CREATE, summary, why=(reason,))
    doing = f"switch to {short}, built before" if built else f"rebuild as {short} from {origin}"
    return _replacement(environment, label, f"{what}: {doing}", differing)


def respecified(
    environment: str, engine: str, *, before: Parts | None, after: Parts
) -> Change | None:
    """What a changed spec means, where only the parts that a spec decides are known."""
    if before is None:
        return _change(environment, engine, Kind.CREATE, f"{engine}: a new engine")
    differing = key.difference(before, after)
    if not differing:
        return None
    return _replacement(environment, engine, f"{engine}: rebuild, its spec changed", differing)


def removal(environment: str, engine: str) -> Change:
    """The change where an engine that answers now has no spec any more."""
    summary = f"{engine}: no spec serves this name any more"
    return _change(environment, engine, Kind.DELETE, summary)


def unknown(environment: str, engine: str, reason: str) -> Change:
    """The change where no plan could be made, e.g. because the registry did not answer."""
    summary = f"{engine}: cannot be planned"
    return _change(environment, engine, Kind.UNKNOWN, summary, why=(reason,))


def reasons(differing: Mapping[str, tuple[str, str]]) -> tuple[str, ...]:
    """Why an engine is built again, in words: one for each part of the key that differs."""
    return tuple(_reason(part, *values) for part, values in differing.items())


def _replacement(
    environment: str, engine: str, summary: str, differing: dict[str, tuple[str, str]]
) -> Change:
    """Another engine takes over. The old one stays in the store, so nothing is destroyed."""
    return _change(
        environment,
        engine,
        Kind.REPLACE,
        summary,
        severity=Severity.NORMAL,
        why=reasons(differing),
        details=tuple(
            Detail(path=part, before=_short(old), after=_short(new), replaces=True)
            for part, (old, new) in differing.items()
        ),
    )


def _change(
    environment: str,
    engine: str,
    kind: Kind,
    summary: str,
    *,
    severity: Severity | None = None,
    why: tuple[str, ...] = (),
    details: tuple[Detail, ...] = (),
) -> Change:
    return Change(
        id=f"engines/{engine}",
        environment=environment,
        half=Half.ENGINES,
        target=engine,
        kind=kind,
        severity=severity or SEVERITY_OF[kind],
        summary=summary,
        reasons=why,
        details=details,
    )


def _reason(part: str, old: str, new: str) -> str:
    words = WORDS.get(part, part.replace("_", " "))
    if len(new) == DIGEST_LENGTH or part not in VALUES:
        return f"{words} changed" if old else f"{words} is new"
    return f"{words} changes from {old or 'nothing'} to {new or 'nothing'}"


def _short(value: str) -> str:
    return value[:SHORT] if len(value) == DIGEST_LENGTH else value
