from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.errors import InvalidInput
from landfall.model.classification import Classification
from landfall.model.release import Release, Share
from landfall.model.routing import check_classes
from landfall.model.site import Tenant

A, B = "a" * 64, "b" * 64
CLASSES = st.sampled_from(Classification)


def tenant(name: str, classification: Classification) -> Tenant:
    return Tenant(name=name, classification=classification, key_secret=name)


def release(**shares: int) -> Release:
    return Release(engines=tuple(Share(key=k * 64, share=share) for k, share in shares.items()))


def test_the_message_says_who_what_and_what_would_be_right() -> None:
    tenants = [
        tenant("clinic", Classification.RESTRICTED),
        tenant("office", Classification.CONFIDENTIAL),
        tenant("website", Classification.PUBLIC),
    ]
    classes = {A: Classification.RESTRICTED, B: Classification.INTERNAL}
    with pytest.raises(InvalidInput) as caught:
        check_classes(tenants, {"tiny-lm": release(a=90, b=10)}, classes, source="releases of dev")
    [problem] = caught.value.problems
    assert problem.path == "tiny-lm.engines.1"
    for expected in (B[:12], "up to internal", "clinic (restricted), office (confidential)"):
        assert expected in problem.message
    assert "`classification: restricted`" in problem.message
    assert "website" not in problem.message


@given(st.lists(CLASSES), CLASSES, CLASSES, st.integers(0, 100))
def test_a_release_is_refused_exactly_where_a_tenant_reaches_too_low_an_engine(
    asked: list[Classification], first: Classification, second: Classification, share: int
) -> None:
    tenants = [tenant(f"t{number}", each) for number, each in enumerate(asked)]
    released = {"tiny-lm": release(a=100 - share, b=share)}
    reached = [first] * (share < 100) + [second] * (share > 0)
    wrong = any(not engine.covers(each) for engine in reached for each in asked)
    try:
        check_classes(tenants, released, {A: first, B: second}, source="releases")
    except InvalidInput:
        assert wrong
    else:
        assert not wrong
