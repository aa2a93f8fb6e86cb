"""Who gets which GPU: nobody twice, nobody moved, and a reason for everybody who gets none."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.model.assignment import Device, Wanted, assign, devices, nodes_of

CASES = tomllib.loads(Path(__file__).with_name("assignment.toml").read_text())["case"]
MODELS = ("NVIDIA L40S", "NVIDIA A40")


def wanted(words: dict[str, Any]) -> Wanted:
    return Wanted(**{"told": words["key"], "model": MODELS[0], **words})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_table(case: dict[str, Any]) -> None:
    asked = [wanted(each) for each in case["wanted"]]
    found = assign(asked, devices(case["gpus"]), case.get("held", {}))
    assert {key: list(indices) for key, indices in found.given.items()} == case["given"]
    assert list(found.refused) == case.get("refused", [])


def test_gpus_are_counted_over_the_whole_host() -> None:
    here = devices(
        [
            {"model": "L40S", "count": 2, "numa_nodes": [0, 1]},
            {"model": "NVIDIA A40", "count": 1, "numa_nodes": [], "mig": None},
        ]
    )
    assert [each.index for each in here] == [0, 1, 2]
    assert [each.model for each in here] == ["NVIDIA L40S", "NVIDIA L40S", "NVIDIA A40"]
    assert nodes_of([0, 1], here) == (0, 1)
    assert nodes_of([1], here) == (1,)
    assert nodes_of([1, 2], here) == ()  # one of them is on a processor that nobody knows


HOSTS = st.lists(
    st.tuples(st.sampled_from(MODELS), st.sampled_from([0, 1, None]), st.booleans()), max_size=8
).map(
    lambda rows: [
        Device(index=index, model=model, node=node, split=split and index % 3 == 0)
        for index, (model, node, split) in enumerate(rows)
    ]
)
ENGINES = st.lists(
    st.tuples(st.sampled_from(MODELS), st.integers(1, 4), st.booleans()), max_size=6
).map(
    lambda rows: [
        Wanted(key=f"{at:012x}", told=f"e{at}", model=model, count=count, sharing=sharing)
        for at, (model, count, sharing) in enumerate(rows)
    ]
)
HELD = st.dictionaries(
    st.integers(0, 9).map(lambda at: f"{at:012x}"), st.lists(st.integers(0, 9), max_size=4)
)


@given(ENGINES, HOSTS, HELD)
def test_nobody_gets_what_is_not_his(
    engines: list[Wanted], here: list[Device], held: dict[str, list[int]]
) -> None:
    found = assign(engines, here, held)
    by_key = {each.key: each for each in engines}
    by_index = {each.index: each for each in here}
    assert len(found.given) + len(found.refused) == len(engines)
    for key, indices in found.given.items():
        assert len(set(indices)) == by_key[key].count
        assert {by_index[each].model for each in indices} == {by_key[key].model}
        assert not any(by_index[each].split for each in indices)
    owners = Counter(index for indices in found.given.values() for index in indices)
    for key, indices in found.given.items():
        if not by_key[key].sharing:
            assert all(owners[index] == 1 for index in indices)
    gone = {index for key, indices in held.items() if key not in by_key for index in indices}
    new = {
        at for key, ats in found.given.items() if set(held.get(key, ())) != set(ats) for at in ats
    }
    assert not gone & new


@given(ENGINES, HOSTS)
def test_an_engine_is_refused_only_where_there_are_too_few(
    engines: list[Wanted], here: list[Device]
) -> None:
    found = assign(engines, here, {})
    for model in MODELS:
        there = sum(1 for each in here if each.model == model and not each.split)
        asked = sum(each.count for each in engines if each.model == model)
        refused = [each for each in engines if each.model == model and each.key not in found.given]
        if asked <= there:
            assert refused == []


@given(ENGINES, HOSTS, st.data())
def test_who_runs_is_not_moved_by_a_new_release(
    engines: list[Wanted], here: list[Device], data: st.DataObject
) -> None:
    before = assign(engines, here, {})
    left = [each for each in engines if data.draw(st.booleans())]
    new = Wanted(key="f" * 12, told="new", model=MODELS[0], count=1)
    after = assign([new, *left], here, before.given)
    for each in left:
        if each.key in before.given:
            assert after.given[each.key] == before.given[each.key]


@given(ENGINES, HOSTS, HELD)
def test_the_same_question_has_the_same_answer(
    engines: list[Wanted], here: list[Device], held: dict[str, list[int]]
) -> None:
    first = assign(engines, here, held)
    assert assign(engines, here, dict(reversed(held.items()))) == first
    again = assign(engines, here, {**held, **first.given})
    assert again.given == first.given
