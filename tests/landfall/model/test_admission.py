from __future__ import annotations

import copy
import hashlib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from landfall.errors import IntegrityError, InvalidInput
from landfall.model import admission
from landfall.model.admission import Admission, Destination, inherited, verify
from landfall.model.classification import Classification
from landfall.model.environment import ROOT

TODAY = date(2026, 11, 21)

GOOD: dict[str, Any] = yaml.safe_load(
    """
name: claims
source: core banking, export 4711
digest: sha256:0000000000000000000000000000000000000000000000000000000000000000
licence: LicenseRef-Internal
classification: confidential
destinations: [cloud]
personal_data: true
lawful_basis: legitimate_interests
de_identification:
  method: names, accounts and dates replaced by format-preserving tokens
  test: linkage attack against the register of customers
  result: passed
  date: 2026-10-01
scan: {tool: clamav 1.4, date: 2026-10-02, result: clean}
admitted: 2026-10-05
retention_days: 365
author: ada
approvers: [grace, katherine]
"""
)


def parse(value: object, kind: str = "dataset", stem: str = "claims") -> Admission:
    return admission.parse(value, kind=kind, stem=stem, source="r.yaml", today=TODAY)


def problems(value: object, kind: str = "dataset", stem: str = "claims") -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse(value, kind, stem)
    return [str(each) for each in caught.value.problems]


def changed(**fields: Any) -> dict[str, Any]:
    """The good record with other fields; None takes one out; `a__b` is b in a."""
    value = copy.deepcopy(GOOD)
    for name, new in fields.items():
        *blocks, last = name.split("__")
        at = value
        for block in blocks:
            at = at[block]
        if new is None:
            del at[last]
        else:
            at[last] = new
    return {"admission": value}


def test_a_good_record() -> None:
    found = parse(changed())
    assert found.id == "dataset/claims"
    assert found.expires == date(2027, 10, 5)
    assert found.tags == {
        "landfall:admission": "dataset/claims",
        "landfall:classification": "confidential",
        "landfall:digest": GOOD["digest"],
    }
    assert parse(changed(licence="apache-2.0")).licence == "Apache-2.0"


CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"licence": "Proprietary"}, ["licence: Unknown license: 'proprietary'; it must be an SPDX"]),
    ({"digest": "0" * 64}, ["digest: "]),
    ({"name": "other"}, ["name: the file is called claims"]),
    ({"kind": "dataset"}, ["kind: the folder says it; leave it out"]),
    ({"licence": None, "scan": None}, ["licence: required", "scan: required"]),
    ({"licens": "MIT"}, ["licens: unknown key; did you mean licence?"]),
    (
        {"classification": "restricted"},
        ["destinations.0: restricted data has no way into the cloud; only site is left"],
    ),
    (
        {"classification": "restricted", "destinations": ["site", "cloud"], "licence": "x"},
        ["licence: ", "destinations.1: restricted data has no way"],
    ),
    ({"destinations": []}, ["destinations: "]),
    ({"destinations": ["site", "site"]}, ["destinations: one appears twice"]),
    ({"destinations": ["moon"]}, ["destinations.0: "]),
    ({"approvers": ["grace"]}, ["approvers: "]),
    ({"approvers": ["grace", "grace"]}, ["approvers.1: grace appears twice"]),
    ({"approvers": ["ada", "grace"]}, ["approvers.0: ada is the author"]),
    ({"approvers": ["Grace", "grace"]}, ["approvers.0: "]),
    ({"de_identification": None}, ["de_identification: required for personal data from"]),
    ({"de_identification__result": "failed"}, ["de_identification.result: its test failed"]),
    ({"personal_data": "yes"}, ["personal_data: "]),
    ({"personal_data": False}, ["lawful_basis: personal_data is false"]),
    ({"lawful_basis": "not_personal_data"}, ["lawful_basis: personal_data is true, so it must"]),
    ({"scan__result": "findings"}, ["scan.result: nothing with findings enters"]),
    ({"scan__date": date(2026, 12, 1)}, ["scan.date: 2026-12-01 has not come yet"]),
    ({"scan__date": date(2026, 10, 6)}, ["scan.date: 2026-10-06 is after the admission"]),
    ({"admitted": 20261005}, ["admitted: must be a day such as 2026-11-21"]),
    ({"retention_days": 46}, ["retention_days: ended on 2026-11-20: delete it everywhere"]),
    ({"retention_days": "46"}, ["retention_days: "]),
    ({"retention_days": 0}, ["retention_days: "]),
    (
        {"classification": "secret", "approvers": ["ada", "ada"], "retention_days": 1},
        ["classification: ", "approvers.0: ", "approvers.1: ", "retention_days: ended"],
    ),
]


@pytest.mark.parametrize(("fields", "wanted"), CASES, ids=[str(case[0]) for case in CASES])
def test_every_problem_is_told_with_its_path(fields: dict[str, Any], wanted: list[str]) -> None:
    found = problems(changed(**fields))
    assert len(found) == len(wanted), found
    for each, start in zip(found, wanted, strict=True):
        assert each.startswith(f"admission.{start}")


def test_retention_ends_with_its_last_day() -> None:
    days = (TODAY - GOOD["admitted"]).days
    assert parse(changed(retention_days=days)).expires == TODAY


def test_the_folder_names_the_kind() -> None:
    assert problems(changed(), kind="datasets")[0].startswith("admission.kind: ")
    assert parse(changed(), kind="base_model").id == "base_model/claims"


@pytest.mark.parametrize(
    "value", [None, [], "text", {}, {"admission": 1}, {**changed(), "more": 1}]
)
def test_what_is_no_record(value: object) -> None:
    assert problems(value) == ["must have one key, admission"]


def test_yaml_of_another_shape_gets_around_no_rule() -> None:
    sly = yaml.safe_load("destinations: !!set {cloud}")
    found = problems(changed(classification="restricted", **sly))
    assert any("no way into the cloud" in each or "destinations" in each for each in found)


# Whatever is written.

TEXTS = st.sampled_from(
    ["ada", "grace", "Grace", " ada ", "cloud", "restricted", "site", "", "MIT"]
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.dates(), TEXTS, st.just(GOOD["digest"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from([*GOOD, "tool", "date", "result"]), inner, max_size=3),
    ),
    max_leaves=5,
)
FIELDS = {
    "classification": st.sampled_from([each.value for each in Classification]),
    "destinations": st.lists(st.sampled_from(["cloud", "site"]), max_size=3),
    "approvers": st.lists(st.sampled_from(["ada", "grace", "katherine", " grace"]), max_size=3),
    "author": st.sampled_from(["ada", "grace"]),
    "personal_data": st.booleans(),
    "lawful_basis": st.sampled_from([each.value for each in admission.LawfulBasis]),
    "de_identification": st.sampled_from([None, GOOD["de_identification"]]),
    "admitted": st.dates(TODAY - timedelta(days=400), TODAY + timedelta(days=10)),
    "retention_days": st.integers(-1, 500),
}
EDITS = st.fixed_dictionaries(
    {}, optional={name: st.one_of(each, ANYTHING) for name, each in FIELDS.items()}
)


@given(EDITS, st.dictionaries(st.sampled_from([*GOOD, "extra"]), ANYTHING, max_size=1))
def test_what_is_accepted_keeps_every_rule(edits: dict[str, Any], wild: dict[str, Any]) -> None:
    try:
        found = parse({"admission": {**GOOD, **edits, **wild}})
    except InvalidInput as error:
        told = [each.path for each in error.problems]
        if not told or not all(told):
            raise
        return
    people = {found.author, *found.approvers}
    assert len(people) == len(found.approvers) + 1 >= 3
    restricted = found.classification is Classification.RESTRICTED
    assert not (restricted and Destination.CLOUD in found.destinations)
    if found.personal_data:
        assert found.lawful_basis is not admission.LawfulBasis.NOT_PERSONAL
        if found.classification.covers(Classification.CONFIDENTIAL):
            assert found.de_identification is not None
            assert found.de_identification.result is admission.Tested.PASSED
    assert found.admitted <= TODAY <= found.expires


CLASSES = st.lists(st.sampled_from(Classification), min_size=1)


@given(CLASSES, CLASSES)
def test_a_model_inherits_the_highest(
    one: list[Classification], other: list[Classification]
) -> None:
    found = inherited(one)
    assert found in one
    assert all(found.covers(each) for each in one)
    assert inherited(reversed(one)) is found
    assert inherited([*one, *other]) is inherited([found, inherited(other)])


def test_a_model_of_nothing_has_no_classification() -> None:
    with pytest.raises(ValueError, match="trained on nothing"):
        inherited([])


def test_bytes_are_compared_with_the_record(tmp_path: Path) -> None:
    file = tmp_path / "claims.parquet"
    file.write_bytes(b"rows")
    record = parse(changed(digest=f"sha256:{hashlib.sha256(b'rows').hexdigest()}"))
    assert verify(record, file).size == 4
    file.write_bytes(b"rowz")
    with pytest.raises(IntegrityError, match="is not what dataset/claims admits: its digest is"):
        verify(record, file)
    with pytest.raises(InvalidInput):
        verify(record, tmp_path / "absent")


# Files.


def test_a_folder_of_records_tells_everything_at_once(tmp_path: Path) -> None:
    for name, fields in {"claims": {}, "bad": {"name": "bad", "licence": "x"}}.items():
        path = tmp_path / "admissions" / "dataset" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(changed(**fields)))
    other = tmp_path / "admissions" / "models" / "claims.yaml"
    other.parent.mkdir()
    other.write_text(yaml.safe_dump(changed()))
    with pytest.raises(InvalidInput) as caught:
        admission.load_all(tmp_path, today=TODAY)
    found = [str(each) for each in caught.value.problems]
    assert len(found) == 2
    assert found[0].startswith("dataset/bad.yaml admission.licence: ")
    assert found[1].startswith("models/claims.yaml admission.kind: ")
    other.unlink()
    other.parent.joinpath("x").touch()
    (tmp_path / "admissions" / "dataset" / "bad.yaml").unlink()
    assert list(admission.load_all(tmp_path, today=TODAY)) == ["dataset/claims"]


def test_every_record_of_the_repository_loads() -> None:
    assert "dataset/tiny-lm-text" in admission.load_all(ROOT, today=TODAY)
