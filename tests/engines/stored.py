"""Engines that are only folders: real manifests around a few bytes, made in milliseconds."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from engines import manifest
from engines.facts import Facts
from landfall.model.classification import Classification

HOST = {"machine": "x86_64", "cpu": "Xeon", "isa": ["avx2"], "python": "3.11.2", "packages": {}}


def key_of(letter: str) -> str:
    return letter * 64


def predicate(letter: str = "a", **changes: Any) -> manifest.Predicate:
    values: dict[str, Any] = {
        "engine": "tiny-lm",
        "key": key_of(letter),
        "parts": {"target": "x86_64+avx2"},
        "backend": "onnxruntime",
        "backend_version": "1.31.1",
        "precision": "int8",
        "target": "cpu",
        "classification": Classification.CONFIDENTIAL,
        "slots": 4,
        "room": 128,
        "builder": "landfall engines/1",
        "built": dt.datetime(2026, 11, 22, tzinfo=dt.UTC),
        "host": Facts.model_validate(HOST),
        "materials": manifest.Materials(
            model="tiny-lm", version="3", files={"config.json": "c" * 64}, training_data="d" * 64
        ),
        "quality": manifest.Gate(
            metric="perplexity", reference=10.0, engine=10.1, ratio=1.01, max_ratio=1.05
        ),
        "speed": manifest.Speed(tokens_per_second=100.0, tokens=64),
    }
    return manifest.Predicate.model_validate({**values, **changes})


def engine(folder: Path, letter: str = "a", **changes: Any) -> Path:
    """An engine folder whose key is `letter`, 64 times."""
    made = folder / f"built-{letter}"
    (made / "tensors").mkdir(parents=True)
    (made / "model.onnx").write_bytes(letter.encode() * 1000)
    (made / "tensors" / "0.bin").write_bytes(b"\0" * 500)
    manifest.write(made, predicate(letter, **changes))
    return made


def signature(folder: Path) -> Path:
    """A file in place of a signature, where nobody looks at it."""
    path = folder / "some.sig"
    path.write_text("{}")
    return path
