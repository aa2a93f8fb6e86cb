from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.errors import InvalidInput
from landfall.model import stream
from landfall.model.classification import MAY_LEAVE, Classification
from landfall.model.stream import Direction

GOOD: dict[str, Any] = {"name": "telemetry", "direction": "to_cloud", "classes": ["internal"]}


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({"classes": ["public", "restricted"]}, ["stream.classes: restricted never leaves the "]),
        ({"classes": ["confidential"]}, ["towards the cloud: public, internal"]),
        ({"classes": []}, ["stream.classes: "]),
        ({"classes": ["public", "public"]}, ["stream.classes: one appears twice"]),
        ({"classes": ["secret"]}, ["stream.classes.0: "]),
        ({"direction": "up"}, ["stream.direction: "]),
        ({"name": "a b"}, ["stream.name: "]),
        ({"shards": 2}, ["stream.shards: unknown key"]),
        (
            {"name": "", "direction": "up", "classes": ["secret"]},
            ["stream.name", "stream.direction", "stream.classes.0"],
        ),
    ],
)
def test_what_is_wrong(change: dict[str, Any], problems: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        stream.parse({**GOOD, **change}, source="f", root="stream")
    found = [str(each) for each in caught.value.problems]
    assert len(found) == len(problems)
    for each, wanted in zip(found, problems, strict=True):
        assert wanted in each


@given(
    direction=st.sampled_from(Direction),
    classes=st.lists(st.sampled_from(Classification), unique=True, min_size=1),
)
def test_nothing_that_may_not_leave_flows_up(
    direction: Direction, classes: list[Classification]
) -> None:
    value = {"name": "s", "direction": direction.value, "classes": [c.value for c in classes]}
    try:
        found = stream.parse(value, source="f")
    except InvalidInput:
        assert direction is Direction.TO_CLOUD
        assert set(classes) - MAY_LEAVE
        return
    carried = {each for each in Classification if found.carries(each)}
    assert carried == set(classes)
    assert direction is Direction.TO_SITE or carried <= MAY_LEAVE
