from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.errors import InvalidInput
from landfall.model import release
from landfall.model.classification import Classification
from landfall.model.environment import Environment
from landfall.model.release import Release
from landfall.model.routing import FIRST_PORT, PORTS, destinations, port_of, routes
from landfall.model.site import load as load_site

A, B = "a" * 64, "b" * 64


def test_nothing_is_released_at_first(dev: Environment) -> None:
    assert release.load(dev) == {}


def test_local_releases_win(dev: Environment) -> None:
    dev.release_file.write_text(f"tiny-lm: {{engines: [{{key: {A}, share: 100}}]}}\n")
    dev.local_release_file.parent.mkdir(parents=True)
    dev.local_release_file.write_text(f"tiny-lm: {{engines: [{{key: {B}, share: 100}}]}}\n")
    assert release.load(dev)["tiny-lm"].engines[0].key == B


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"x: {{engines: [{{key: {A}, share: 90}}]}}",
            "the shares sum to 90; they must sum to 100",
        ),
        (
            f"x: {{engines: [{{key: {A}, share: 50}}, {{key: {A}, share: 50}}]}}",
            "an engine is listed twice",
        ),
        ("x: {engines: []}", "List should have at least 1 item|Tuple should have at least 1 item"),
        ("x: {engines: [{key: abc, share: 100}]}", "String should match pattern"),
    ],
)
def test_bad_releases(dev: Environment, text: str, message: str) -> None:
    dev.release_file.write_text(text)
    with pytest.raises(InvalidInput, match=message):
        release.load(dev)


@given(st.text("0123456789abcdef", min_size=64, max_size=64))
def test_ports_are_in_their_range(key: str) -> None:
    assert FIRST_PORT <= port_of(key) < FIRST_PORT + PORTS


def test_routes_keep_shares_and_follow_names() -> None:
    found = routes(
        {
            "b": Release.model_validate({"engines": [{"key": A, "share": 100}]}),
            "a": Release.model_validate(
                {"engines": [{"key": A, "share": 95}, {"key": B, "share": 5}]}
            ),
        }
    )
    assert [each.name for each in found] == ["a", "b"]
    assert [each.share for each in found[0].upstreams] == [95, 5]


def test_only_what_may_leave_has_an_overflow(dev: Environment) -> None:
    site = load_site(dev).model_copy()
    text = (
        dev.site_file.read_text() + "  overflow: {address: '10.100.0.5:443', "
        "classifications: [public, internal]}\n"
    )
    dev.site_file.write_text(text)
    site = load_site(dev)
    found = {each.classification: each.overflow for each in destinations(site)}
    assert found == {
        Classification.PUBLIC: "10.100.0.5:443",
        Classification.INTERNAL: "10.100.0.5:443",
        Classification.CONFIDENTIAL: "",
        Classification.RESTRICTED: "",
    }


def test_classes_are_ordered() -> None:
    assert Classification.RESTRICTED.covers(Classification.PUBLIC)
    assert not Classification.PUBLIC.covers(Classification.INTERNAL)
