"""When an engine counts as ready and when as hung, on a clock of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from engines.supervise.watch import Patience, Watch
from landfall.errors import Unreachable

PATIENCE = Patience(warm_s=100.0, every_s=15.0, hung_after_s=60.0)


@dataclass
class Scene:
    """A server, a container and somebody who stops it, each by the second."""

    well: Callable[[float], bool] = lambda _: True
    token: Callable[[float], str | None] = lambda _: ""
    generated: Callable[[float], float | None] = lambda _: None
    ended: Callable[[float], str] = lambda _: ""
    stops_at: float = 1000.0
    now: float = 0.0
    asked: list[float] = field(default_factory=list)
    alive: int = 0

    def watch(self) -> Watch:
        return Watch(
            server=_Asked(self),
            patience=PATIENCE,
            ended=lambda: self.ended(self.now),
            stopped=lambda: self.now >= self.stops_at,
            alive=self._alive,
            clock=lambda: self.now,
            sleep=self._sleep,
        )

    def _alive(self) -> None:
        self.alive += 1

    def _sleep(self, _: float) -> None:
        self.now += 1.0


@dataclass
class _Asked:
    scene: Scene

    def well(self) -> bool:
        return self.scene.well(self.scene.now)

    def token(self, patience_s: float) -> None:
        self.scene.asked.append(self.scene.now)
        wrong = self.scene.token(self.scene.now)
        if wrong:
            raise Unreachable(wrong)

    def generated(self) -> float | None:
        return self.scene.generated(self.scene.now)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question is answered at once, or, where a token is None, never."""

    class Thread:
        def __init__(self, *, target: Callable[[], None], daemon: bool) -> None:
            assert daemon
            self.start = target

    monkeypatch.setattr("engines.supervise.watch.threading.Thread", Thread)


def test_ready_is_after_the_first_token_and_not_before() -> None:
    scene = Scene(well=lambda now: now >= 20, token=lambda now: "500" if now < 30 else "")
    assert scene.watch().warm() == ""
    assert scene.asked[0] == 20  # before that it does not say that it is well
    assert scene.now >= 30


@pytest.mark.parametrize(
    ("scene", "why"),
    [
        (Scene(well=lambda _: False), "no token within 100 s of its start: it does not say"),
        (Scene(token=lambda _: "answered with 500"), "of its start: answered with 500"),
        (
            Scene(well=lambda _: False, ended=lambda now: "ended with 1" if now > 3 else ""),
            "ended with 1",
        ),
    ],
)
def test_what_never_answers_never_gets_ready(scene: Scene, why: str) -> None:
    assert why in scene.watch().warm()


def test_it_can_be_stopped_before_it_is_ready() -> None:
    assert Scene(well=lambda _: False, stops_at=5).watch().warm() == ""


def test_while_it_answers_it_is_asked_now_and_then_and_systemd_hears() -> None:
    scene = Scene(stops_at=100)
    assert scene.watch().serve() == ""
    assert scene.asked == [0, 15, 30, 45, 60, 75, 90]
    assert scene.alive == 100


def test_one_that_makes_no_token_any_more_hangs_though_it_says_that_it_is_well() -> None:
    scene = Scene(token=lambda now: "" if now < 100 else "timed out")
    why = scene.watch().serve()
    assert why == "no token for 60 s; it says that it is well: timed out"
    assert 160 <= scene.now < 185


def test_one_that_is_not_well_is_told_so() -> None:
    scene = Scene(token=lambda _: "refused", well=lambda _: False)
    assert "it does not say that it is well: refused" in scene.watch().serve()


def test_a_short_pause_is_no_hang() -> None:
    scene = Scene(token=lambda now: "429" if 100 <= now < 150 else "", stops_at=400)
    assert scene.watch().serve() == ""


def test_one_that_makes_tokens_for_others_is_busy_and_not_hung() -> None:
    busy = Scene(token=lambda _: "timed out", generated=lambda now: now, stops_at=500)
    assert busy.watch().serve() == ""
    stuck = Scene(token=lambda _: "timed out", generated=lambda now: min(now, 100.0))
    assert "no token for 60 s" in stuck.watch().serve()
    assert stuck.now < 200


def test_a_container_that_ends_is_no_longer_watched() -> None:
    scene = Scene(ended=lambda now: "the container ended with 137" if now > 50 else "")
    assert scene.watch().serve() == "the container ended with 137"
