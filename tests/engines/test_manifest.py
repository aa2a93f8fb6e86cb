"""The manifest: what it holds, its versions, and that a gate which did not run is not passed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engines import digest, manifest
from engines.manifest import Outcome
from engines.quality import Difference, Gate, Likeness, OutputDifference
from landfall.errors import IntegrityError
from tests.engines import stored

V1_LACKS = (
    "kind", "mode", "container", "parallelism", "timing_cache", "gates", "built_by", "approver",
)  # fmt: skip


def edit(folder: Path, **changes: Any) -> None:
    path = folder / manifest.FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def older(folder: Path) -> None:
    """Make the manifest one of version 1."""
    value = json.loads((folder / manifest.FILE).read_text())
    predicate = {name: each for name, each in value["predicate"].items() if name not in V1_LACKS}
    for name in ("classification", "run", "commit"):
        del predicate["materials"][name]
    edit(folder, predicateType="urn:landfall:engine:v1", predicate=predicate)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "kind": "embedding",
        "mode": "pytorch",
        "container": f"registry.example/trtllm@sha256:{'1' * 64}",
        "parallelism": {"tensor": 2, "pipeline": 2},
        "timing_cache": "2" * 64,
        "gates": ({"name": "quality", "outcome": "passed", "figures": {"ratio": 1.01}},),
        "built_by": "build-1",
    }
    folder = stored.engine(tmp_path, **changes)
    statement = manifest.check(folder)
    assert statement.predicate_type == manifest.PREDICATE
    assert statement.predicate == stored.predicate(**changes)
    assert statement.predicate.parallelism.gpus == 4
    assert [each.name for each in statement.subject] == ["model.onnx", "tensors/0.bin"]
    assert [path.name for path in folder.glob(".*")] == []


def test_a_write_that_is_killed_leaves_nothing_in_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stored.engine(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        manifest.approve(folder, "bo")
    assert manifest.check(folder).predicate.approver == ""


def test_version_1_is_read(tmp_path: Path) -> None:
    folder = stored.engine(tmp_path)
    older(folder)
    found = manifest.check(folder).predicate
    assert (found.kind, found.parallelism.gpus, found.approver) == ("text_generation", 1, "")
    assert found.passed  # its one gate ended a build that did not pass
    assert found.materials.classification is None


def test_version_2_is_read(tmp_path: Path) -> None:
    outcome = {"name": "quality", "outcome": "passed", "figures": {"ratio": 1.01}}
    folder = stored.engine(tmp_path, gates=(outcome,), kind="text_generation")
    edit(folder, predicateType="urn:landfall:engine:v2")
    found = manifest.check(folder)
    assert found.predicate_type == "urn:landfall:engine:v2"
    assert found.predicate == stored.predicate(gates=(outcome,))
    assert isinstance(found.predicate.quality, Gate)
    assert found.predicate.passed


LIKENESS = Likeness(
    data="evaluation.txt", texts=12, cosine=0.9987, mean_cosine=0.9999, neighbours=1.0,
    min_cosine=0.99, min_neighbours=0.95,
)  # fmt: skip
DIFFERENCE = Difference(
    data="", seed=1, cases=16, max_relative=0.02, min_equal=0.99,
    outputs=(
        OutputDifference(name="y", absolute=0.1, relative=0.0111, equal=0.2),
        OutputDifference(name="class", equal=0.995),
    ),
)  # fmt: skip
QUALITIES: dict[str, tuple[str, Likeness | Difference, str]] = {
    "an encoder": (
        "embedding", LIKENESS,
        "cosine to float32 at least 0.9987 (bound 0.99), 100.0% keep their neighbour (bound 95%)",
    ),
    "a graph": (
        "onnx_graph", DIFFERENCE,
        "y off by 1.11% at most (bound 2.00%), class 99.5% equal (bound 99%);"
        " 16 random inputs, seed 1: none travel with the model",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", QUALITIES)
def test_quality_has_a_form_for_each_kind(tmp_path: Path, case: str) -> None:
    kind, quality, words = QUALITIES[case]
    folder = stored.engine(tmp_path, kind=kind, quality=quality, speed=None)
    found = manifest.check(folder).predicate
    assert found.quality == quality
    assert found.summary == words
    assert all(isinstance(each, float | int) for each in quality.figures.values())


def test_a_quality_that_is_none_is_no_manifest(tmp_path: Path) -> None:
    folder = stored.engine(tmp_path)
    value = json.loads((folder / manifest.FILE).read_text())
    value["predicate"]["quality"]["metric"] = "beauty"
    edit(folder, **value)
    with pytest.raises(IntegrityError, match="is not the manifest of an engine"):
        manifest.read(folder)


def test_a_later_version_is_refused_with_words(tmp_path: Path) -> None:
    folder = stored.engine(tmp_path)
    edit(folder, predicateType="urn:landfall:engine:v4")
    with pytest.raises(
        IntegrityError, match=r"engine:v4; this version reads .*v1, .*v2, .*v3"
    ) as seen:
        manifest.read(folder)
    assert "update" in seen.value.hint


@pytest.mark.parametrize("written", ["[]", "{}", "{", '{"predicateType": 7}'])
def test_what_is_no_manifest(tmp_path: Path, written: str) -> None:
    folder = stored.engine(tmp_path)
    (folder / manifest.FILE).write_text(written)
    with pytest.raises(IntegrityError, match="is not the manifest of an engine"):
        manifest.read(folder)


GATES: dict[str, tuple[list[str], bool]] = {
    "all passed": (["passed", "passed"], True),
    "one failed": (["passed", "failed"], False),
    "one did not run": (["passed", "not run"], False),
    "none ran": (["not run"], False),
    "there is none": ([], False),
}


@pytest.mark.parametrize("case", GATES)
def test_only_what_ran_and_held_is_passed(case: str) -> None:
    outcomes, passed = GATES[case]
    gates = [
        Outcome.model_validate({"name": str(number), "outcome": each})
        for number, each in enumerate(outcomes)
    ]
    found = stored.predicate(gates=tuple(gates), quality=None)
    assert found.passed == passed
    assert len(found.unmet) == sum(each != "passed" for each in outcomes)


def test_an_approver_is_recorded_and_nothing_else_changes(tmp_path: Path) -> None:
    folder = stored.engine(tmp_path)
    before = digest.of_folder(folder)
    found = manifest.approve(folder, "bo@b.example")
    assert found.predicate == stored.predicate(approver="bo@b.example")
    after = digest.of_folder(folder)
    assert {name for name in after if after[name] != before.get(name)} == {manifest.FILE}
    (folder / "model.onnx").write_text("x")
    with pytest.raises(IntegrityError, match="differs"):
        manifest.approve(folder, "bo@b.example")


def test_a_summary_says_what_was_measured() -> None:
    assert stored.predicate().summary == (
        "perplexity 10.1000, 1.0100 of float32 (bound 1.05); 100 tokens/s"
    )
    assert stored.predicate(quality=None, speed=None).summary == "nothing was measured"


def test_a_quick_check_finds_what_changed(tmp_path: Path) -> None:
    folder = stored.engine(tmp_path)
    manifest.check(folder, remembered=tmp_path / "digests.json")
    (folder / "tensors/0.bin").write_bytes(b"\1" * 500)
    with pytest.raises(IntegrityError, match=r"0\.bin differs"):
        manifest.check(folder, remembered=tmp_path / "digests.json")
