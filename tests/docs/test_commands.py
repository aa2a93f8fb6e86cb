"""Every command has help with an example and a page; pages show only commands that there are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import pytest
import typer

from landfall.cli.main import app
from landfall.model.environment import ROOT
from tests.docs.documents import document, documents

GROUP: Any = typer.main.get_command(app)
"""A group of click's, which typer brings along under a name of its own."""


def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command below `command`, by what one types."""
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from walk(each, f"{path} {name}")


COMMANDS = dict(walk(GROUP, "landfall"))
NO_OPTIONS = (" offline", " engine")

BELOW = [name for name in COMMANDS if name != "landfall"]

PAGES = {each.name: "\n".join([*each.blocks, *each.code]) for each in documents()}


def words_of(line: str) -> list[str]:
    """What a shown command line hands to `landfall`; [] where it is another command."""
    line = line.removeprefix(".venv/bin/").partition(";")[0].partition("   ")[0]
    if not line.startswith("landfall "):
        return []
    try:
        words = shlex.split(line.rstrip("\\"))[1:]
    except ValueError:
        return []
    return list(takewhile(lambda word: word != "--", words))


def wrong(words: list[str]) -> str:
    """What of a shown command line does not exist."""
    command = GROUP
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words[0]]
        words = words[1:]
    if hasattr(command, "commands"):
        return " ".join(words[:1])
    options = {opt for each in command.params for opt in (*each.opts, *each.secondary_opts)}
    used = [word.partition("=")[0] for word in words if word.startswith("-")]
    return " ".join(word for word in used if word not in options)


def shown() -> Iterator[tuple[str, str]]:
    for page, text in PAGES.items():
        for line in text.splitlines():
            if words_of(line):
                yield page, line


@pytest.mark.parametrize("name", BELOW)
def test_help_has_an_example(name: str) -> None:
    text = COMMANDS[name].help or ""
    assert "Example: landfall " in text
    example = text.partition("Example: ")[2].splitlines()[0]
    assert example.startswith(name)
    assert wrong(words_of(example)) == ""


@pytest.mark.parametrize("name", BELOW)
def test_every_option_says_what_it_does(name: str) -> None:
    options = [each for each in COMMANDS[name].params if each.param_type_name == "option"]
    assert options or name.endswith(NO_OPTIONS)
    silent = [each.opts for each in options if not each.hidden and not each.help]
    assert silent == []


@pytest.mark.parametrize("name", BELOW)
def test_a_page_names_it(name: str) -> None:
    assert [page for page, text in PAGES.items() if page.startswith("docs/") and name in text]


@pytest.mark.parametrize(("page", "line"), sorted(set(shown())))
def test_what_a_page_shows_can_be_typed(page: str, line: str) -> None:
    assert wrong(words_of(line)) == ""


def test_options_of_a_preview_are_on_its_page() -> None:
    rows = document("docs/preview.md").table("option")
    shown = [row[0].split()[0] for row in rows]
    params = [each for each in COMMANDS["landfall preview"].params if not each.required]
    options = [each for each in params if each.param_type_name == "option" and not each.hidden]
    known = {opt for each in options for opt in (*each.opts, *each.secondary_opts)}
    usual = {"--site"}  # what happens anyway
    assert set(shown) == known - usual


def test_options_of_training_are_on_its_page() -> None:
    source = (ROOT / "examples/tiny_lm/train.py").read_text()
    rows = document("docs/training.md").table("option")
    assert [row[0] for row in rows] == re.findall(r'add_argument\("(--[\w-]+)"', source)


def test_nox_sessions_are_there() -> None:
    sessions = set(
        re.findall(r"^@nox\.session.*\ndef (\w+)", (ROOT / "noxfile.py").read_text(), re.M)
    )
    named = {word for text in PAGES.values() for word in re.findall(r"nox -s (\w+)", text)}
    assert sessions == named


def test_a_wrong_command_is_seen() -> None:
    assert wrong(["frob"]) == "frob"
    assert wrong(["engine", "ls"]) == "ls"
    assert wrong(["down", "dev", "--prune"]) == "--prune"
    assert wrong(["engine", "plan", "tiny-lm", "--json"]) == ""
    assert words_of('landfall ask "What?"; echo $?') == ["ask", "What?"]
    assert words_of("pulumi up -s dev") == []
