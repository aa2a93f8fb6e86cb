"""The provider's configuration, its mark in state, and the mark of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stacks.offline import configuration, is_marked, mark
from stacks.offline.wire import UNKNOWN, Secret

REGION = {"region": "eu-central-1"}


@pytest.fixture(autouse=True)
def _no_region_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)


def errors(olds: dict[str, Any], news: dict[str, Any]) -> list[str]:
    return [str(each) for each in configuration.complete(olds, news)[1]]


def test_the_mark_is_added_and_survives() -> None:
    inputs, problems = configuration.complete({}, dict(REGION))
    assert (inputs, problems) == ({**REGION, "landfallOffline": "true"}, [])
    assert configuration.complete(inputs, dict(REGION)) == (inputs, [])


def test_the_state_of_a_real_provider_is_refused() -> None:
    assert errors({**REGION, "version": "7.51.1"}, dict(REGION)) == [configuration.REFUSAL]
    assert errors({"version": "7.51.1"}, dict(REGION)) == []


@pytest.mark.parametrize(
    ("news", "wanted"),
    [
        ({}, ["region: missing; set aws:region, to eu-central-1 say"]),
        (REGION | {"regoin": "x"}, ["regoin: no such property; did you mean region?"]),
        (REGION | {"maxRetries": "many"}, ["maxRetries: must be a whole number, not a string"]),
        (REGION | {"maxRetries": "3", "skipRegionValidation": "true"}, []),
        (REGION | {"defaultTags": '{"tags": {"a": "b"}}', "version": "7.51.1"}, []),
        (
            REGION | {"defaultTags": '{"tag": {}}'},
            ["defaultTags.tag: no such property; did you mean tags?"],
        ),
        ({"region": UNKNOWN}, []),
    ],
)
def test_problems(news: dict[str, Any], wanted: list[str]) -> None:
    assert errors({}, news) == wanted


def test_the_environment_names_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert configuration.complete({}, {})[0]["region"] == "eu-west-1"


def test_surroundings() -> None:
    around = configuration.surroundings(
        REGION
        | {
            "allowedAccountIds": '["111122223333", "444455556666"]',
            "defaultTags": Secret('{"tags": {"Owner": "team"}}'),
            "ignoreTags": '{"keys": ["x"], "keyPrefixes": ["aws:"]}',
        }
    )
    assert around.account == "111122223333"
    assert around.default_tags == {"Owner": "team"}
    assert (around.ignored_tags, around.ignored_prefixes) == (frozenset({"x"}), ("aws:",))
    assert configuration.surroundings(dict(REGION)).account == "123456789012"
    assert configuration.surroundings(REGION | {"defaultTags": UNKNOWN}).default_tags == {}


def test_a_folder_is_marked_once_and_for_all(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert not is_marked(folder)
    mark(folder)
    mark(folder)
    assert is_marked(folder)
    assert [each.name for each in folder.iterdir()] == [".landfall-offline"]
