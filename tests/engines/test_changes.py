"""Changes of engines: the reason for a rebuild is the part that differs."""

from __future__ import annotations

import pytest

from engines import changes, plan
from engines.facts import Facts
from engines.source import ModelSource
from engines.spec import EngineSpec
from landfall.model.change import Change, Kind, Severity


@pytest.fixture
def after(spec: EngineSpec, model_source: ModelSource, host: Facts) -> plan.Plan:
    return plan.plan(spec, model_source, host)


def compare(before: dict[str, str] | None, after: plan.Plan, stored: set[str]) -> Change | None:
    return changes.compare("dev", before=before, after=after, stored=stored)


def test_nothing_differs(after: plan.Plan) -> None:
    assert compare(after.parts, after, {after.key}) is None


def test_the_first_engine(after: plan.Plan) -> None:
    change = compare(None, after, set())
    assert change is not None
    assert change.kind is Kind.CREATE
    assert change.id == "engines/tiny-lm"
    assert "build" in change.summary
    assert "tiny-lm version 3" in change.summary
    delivered = compare(None, after, {after.key})
    assert delivered is not None
    assert "built before" in delivered.summary


def test_a_precision_and_a_tokenizer(
    after: plan.Plan, spec: EngineSpec, model_source: ModelSource, host: Facts
) -> None:
    files = {**model_source.files, "tokenizer.json": "0" * 64}
    new = plan.plan(
        spec.model_copy(update={"precision": "int4"}),
        model_source.model_copy(update={"files": files}),
        host,
    )
    change = compare(after.parts, new, {after.key})
    assert change is not None
    assert (change.kind, change.severity) == (Kind.REPLACE, Severity.NORMAL)
    assert change.reasons == (
        "precision changes from int8 to int4",
        "quantiser changed",
        "the tokenizer changed",
    )
    detail = {each.path: (each.before, each.after) for each in change.details}
    assert detail["precision"] == ("int8", "int4")
    assert detail["tokenizer"][1] == "0" * 12


def test_a_built_engine_that_is_gone(after: plan.Plan) -> None:
    change = compare(after.parts, after, set())
    assert change is not None
    assert change.reasons == ("nothing that matters differs, but the store does not hold it",)


def test_what_cannot_be_planned_and_what_goes() -> None:
    assert changes.unknown("dev", "x", "the registry is down").kind is Kind.UNKNOWN
    assert changes.removal("dev", "x").severity is Severity.DESTRUCTIVE
