"""The lineage of an engine: what is recorded is shown, and what is not is said to be so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engines import lineage, manifest
from engines.lineage import Around, Node
from landfall.model.classification import Classification
from tests.engines import stored


def lines(node: Node, depth: int = 0) -> list[str]:
    text = f"{'  ' * depth}{node.label}: {node.value}".rstrip(": ")
    return [text, *(line for each in node.below for line in lines(each, depth + 1))]


def told(folder: Path, around: Around, **changes: Any) -> str:
    statement = manifest.read(stored.engine(folder, **changes))
    return "\n".join(lines(lineage.tree(statement, around)))


def test_everything_that_is_recorded(tmp_path: Path) -> None:
    materials = manifest.Materials(
        model="tiny-lm", version="3", files={"config.json": "c" * 64}, training_data="d" * 64,
        classification=Classification.RESTRICTED, run="run-7", commit="8bccc4b",
    )  # fmt: skip
    around = Around(
        tags={"trained_on": "2026-11-20", "parameters": "420000"},
        data="admissions/dataset/tiny-lm-text.yaml",
        signature="holds, by Release",
        releases=("releases/prod.yaml: chat 100 %",),
    )
    text = told(
        tmp_path,
        around,
        materials=materials,
        approver="bo",
        built_by="build-1",
        gates=({"name": "latency", "outcome": "not run", "detail": "no load was given"},),
    )
    for line in (
        "  model: tiny-lm version 3",
        "    training run: run-7",
        "      code: 8bccc4b",
        f"      training data: {'d' * 64}",
        "        classification: restricted",
        "        record: admissions/dataset/tiny-lm-text.yaml",
        "    trained on: 2026-11-20",
        "    by: landfall engines/1 as build-1",
        "      target: x86_64+avx2",
        "    latency: not run; no load was given",
        "  signature: holds, by Release",
        "  approved by: bo",
        "    releases/prod.yaml: chat 100 %",
    ):
        assert f"{line}\n" in f"{text}\n"


def test_what_is_not_recorded_is_said_to_be_so(tmp_path: Path) -> None:
    text = told(tmp_path, Around(silence="says nothing: it does not answer"), quality=None)
    for line in (
        "    training run: not recorded",
        "      code: not recorded",
        "    registry: says nothing: it does not answer",
        "  gates\n    not recorded",
        "  signature: not recorded",
        "  approved by: not recorded",
        "  released: by nobody",
    ):
        assert f"{line}\n" in f"{text}\n"


def test_what_the_manifest_says_goes_before_the_registry(tmp_path: Path) -> None:
    text = told(tmp_path, Around(tags={"data_digest": "e" * 64}, run="later"))
    assert f"training data: {'d' * 64}" in text
    assert "training run: later" in text  # the manifest has none


def test_as_plain_data(tmp_path: Path) -> None:
    plain = lineage.tree(manifest.read(stored.engine(tmp_path)), Around()).plain()
    assert plain["label"] == "engine tiny-lm"
    assert plain["value"] == stored.key_of("a")
    assert Node(label="a").plain() == {"label": "a", "value": ""}
