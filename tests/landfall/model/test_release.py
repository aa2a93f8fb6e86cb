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
        (f"x@: {{engines: [{{key: {A}, share: 100}}]}}", "x@: must be NAME, or NAME@GPU"),
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


L40S, H100 = "NVIDIA L40S", "NVIDIA H100 PCIe"


def test_a_host_answers_with_what_is_for_its_gpus() -> None:
    own, other = (Release.model_validate({"engines": [{"key": k, "share": 100}]}) for k in (A, B))
    found = {"chat": own, "chat@L40S": other, "code@H100 PCIe": other}
    assert release.on_host(found, ()) == {"chat": own}
    assert release.on_host(found, {L40S}) == {"chat": other}
    assert release.on_host(found, {H100}) == {"chat": own, "code": other}
    assert [each.key for each in release.shares(found, "chat")] == [A, B]


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "a@L40S", "a@A40", "b@A40", "c@L40S"]),
        st.sampled_from([A, B]),
    ),
    st.sets(st.sampled_from(["NVIDIA L40S", "NVIDIA A40", "NVIDIA L4"])),
)
def test_a_host_gets_each_name_once_and_only_what_is_released(
    keys: dict[str, str], models: set[str]
) -> None:
    found = {
        name: Release.model_validate({"engines": [{"key": key, "share": 100}]})
        for name, key in keys.items()
    }
    here = release.on_host(found, models)
    assert set(here) <= {release.served(name) for name in found}
    for name, each in here.items():
        own = [f"{name}@{model.removeprefix('NVIDIA ')}" for model in models]
        mine = [found[other] for other in own if other in found]
        assert each in (mine or [found[name]])
    assert {name for name in found if "@" not in name} <= set(here)
