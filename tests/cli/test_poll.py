"""Proposals: written once, said again only where they changed, and never more than words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from landfall.cli.flow import engine_changes, polling
from landfall.cli.flow.engine_changes import Planned
from landfall.model.change import SEVERITY_OF, Change, Half, Kind, Severity
from landfall.model.environment import Environment

Poll = Callable[..., polling.Polled]


def change(kind: Kind, summary: str, target: str = "tiny-lm") -> Change:
    return Change(
        id=f"engines/{target}",
        environment="dev",
        half=Half.ENGINES,
        target=target,
        kind=kind,
        severity=SEVERITY_OF[kind] if kind is Kind.UNKNOWN else Severity.NORMAL,
        summary=summary,
        reasons=("the model's weights changed",),
        details=(),
    )


@pytest.fixture
def polled(dev: Environment, monkeypatch: pytest.MonkeyPatch) -> Poll:
    """Poll while the planner says what is given; the planner itself is tested elsewhere."""

    def poll(*changes: Change) -> polling.Polled:
        monkeypatch.setattr(
            engine_changes, "preview", lambda *_: Planned(changes=changes, unchanged=0)
        )
        return polling.poll(dev)

    return poll


def test_a_proposal_is_new_once(polled: Poll) -> None:
    first = change(Kind.REPLACE, "tiny-lm int8 for cpu: rebuild as 0123 from tiny-lm version 2")
    [made] = polled(first).proposals
    assert made.new
    assert "landfall engine build tiny-lm --env dev" in made.file.read_text()
    assert [each.new for each in polled(first).proposals] == [False]
    assert [each.new for each in polled(change(Kind.REPLACE, "version 3")).proposals] == [True]


def test_a_name_with_a_target_is_one_file(polled: Poll) -> None:
    [made] = polled(change(Kind.CREATE, "a new engine", target="llama/L40S")).proposals
    assert made.file.name == "llama-L40S.md"


@pytest.mark.parametrize(
    ("kinds", "code"),
    [((), 0), ((Kind.REPLACE,), 10), ((Kind.REPLACE, Kind.UNKNOWN), 13), ((Kind.DELETE,), 0)],
)
def test_how_it_ends(polled: Poll, kinds: tuple[Kind, ...], code: int) -> None:
    assert polled(*(change(kind, kind.value) for kind in kinds)).exit_code == code


def test_what_is_served_already_is_not_proposed(polled: Poll, dev: Environment) -> None:
    assert polled().proposals == ()
    assert not list(Path(dev.work / polling.FOLDER).iterdir())
