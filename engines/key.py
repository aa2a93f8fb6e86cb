"""The key of an engine: a digest over everything that it depends on.

Two engines of one key are interchangeable; a part that differs is the reason for a rebuild. What
only steers serving (the served name, how many requests may wait, the longest answer) is not in it.
"""

from __future__ import annotations

from engines import backends, digest
from engines.facts import Facts
from engines.source import PARTS, ModelSource
from engines.spec import EngineSpec

FORMAT = "1"
"""Version of the engine folder; a change makes every engine be built again."""

Parts = dict[str, str]


def parts(spec: EngineSpec, source: ModelSource, facts: Facts) -> Parts:
    """Everything that an engine depends on, by name, as text."""
    backend = backends.find(spec.backend)
    version = facts.packages.get(backend.PACKAGE, "")
    files = {part: source.files[file] for part, file in PARTS.items()}
    target = facts.isa_class if spec.target == "cpu" else spec.target
    return {
        "format": FORMAT,
        **files,
        "precision": spec.precision,
        "max_batch": str(spec.limits.max_batch),
        "max_sequence": str(spec.limits.max_sequence),
        "gates": digest.canonical(spec.gates.model_dump(mode="json", exclude_none=True)).decode(),
        "classification": spec.classification.value,
        "training_data": source.data_digest,
        "backend": f"{spec.backend} {version}",
        "quantiser": backend.quantiser(spec.precision, version),
        "target": target,
    }


def of(parts: Parts) -> str:
    """The key of an engine with these parts: 64 hexadecimal digits."""
    return digest.of_value(parts)


def difference(old: Parts, new: Parts) -> dict[str, tuple[str, str]]:
    """The parts that differ, with both values; empty text where one side lacks the part."""
    names = sorted({*old, *new})
    return {
        name: (old.get(name, ""), new.get(name, ""))
        for name in names
        if old.get(name) != new.get(name)
    }
