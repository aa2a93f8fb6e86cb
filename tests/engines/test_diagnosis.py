"""Each known error is found in the text as published, and not in what only looks like it."""

from __future__ import annotations

import re
import string
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import diagnosis
from landfall.model.environment import ROOT

TEXTS: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "diagnosis.toml").read_text()
)
PUBLISHED = [(name, text) for name, each in TEXTS.items() for text in each["published"]]
NEAR = [text for each in TEXTS.values() for text in each["near"]]


def test_every_known_error_has_texts() -> None:
    assert list(TEXTS) == list(diagnosis.known())


@pytest.mark.parametrize(("name", "text"), PUBLISHED)
def test_what_was_published_is_found(name: str, text: str) -> None:
    [found] = diagnosis.diagnose(["loading", text, "done"])
    assert (found.name, found.lines) == (name, (2,))
    assert TEXTS[name]["says"] in found.cause
    assert found.quote in text


@pytest.mark.parametrize("text", NEAR)
def test_what_only_looks_like_it_is_not(text: str) -> None:
    assert diagnosis.diagnose([text]) == ()


@pytest.mark.parametrize("name", TEXTS)
def test_every_entry_can_be_checked_by_a_reader(name: str) -> None:
    each = diagnosis.known()[name]
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", source) for source in each.sources)
    named = {field for text in (each.cause, each.next) for _, field, *_ in PARSE(text) if field}
    assert named <= set(each.pattern.groupindex)


PARSE = string.Formatter().parse


def test_the_same_error_of_every_process_is_one_finding() -> None:
    log = [text for _ in range(3) for text in (PUBLISHED[0][1], "other")]
    [found] = diagnosis.diagnose(log)
    assert found.lines == (1, 3, 5)


def test_two_causes_are_two_findings_in_their_order() -> None:
    heads = "Total number of attention heads ({}) must be divisible by tensor parallel size (3)"
    found = diagnosis.diagnose([heads.format(52), heads.format(40), heads.format(52)])
    assert [each.lines for each in found] == [(1, 3), (2,)]


def test_of_a_line_only_the_error_is_quoted() -> None:
    secret = "prompt: my account is 1234 "
    [found] = diagnosis.diagnose([secret + TEXTS["cuda-no-kernel"]["published"][0] + secret])
    assert "1234" not in "".join([found.quote, found.cause, found.next])


@given(st.lists(st.text(max_size=300)))
def test_any_text_is_read(log: list[str]) -> None:
    assert diagnosis.diagnose(log) == ()


def test_the_page_has_the_catalog() -> None:
    assert diagnosis.table() in (ROOT / "docs/diagnosis.md").read_text()
