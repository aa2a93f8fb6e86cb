"""What the judge is told, and what stays on a host for a way back."""

from __future__ import annotations

import pytest

from landfall.errors import InvalidInput
from landfall.model import trial
from landfall.model.environment import ROOT, Environment
from landfall.model.release import Release
from landfall.model.routing import routes, standby

OLD, NEW, THIRD = "a" * 64, "b" * 64, "c" * 64


def release(*shares: tuple[str, int], previous: str | None = None) -> Release:
    engines = [{"key": key, "share": share} for key, share in shares]
    return Release.model_validate({"engines": engines, "previous": previous})


def test_every_canary_is_judged_with_the_probes_of_its_name(dev: Environment) -> None:
    folder = dev.root / trial.PROBES
    folder.mkdir(parents=True)
    (folder / "tiny-lm.yaml").write_text('- {prompt: "Who?", expected: Us.}\n')
    out = {"tiny-lm": release((OLD, 90), (NEW, 10)), "other": release((THIRD, 100))}
    [found] = trial.trials(dev, out)
    assert found["mark"] == "tiny-lm.aaaaaaaaaaaa.bbbbbbbbbbbb"
    assert found["probes"] == [{"prompt": "Who?", "expected": "Us."}]
    # the gateway looks for the same file
    [_, canary] = routes({"tiny-lm": out["tiny-lm"]})[0].upstreams
    assert canary.withdrawn == found["mark"]


@pytest.mark.parametrize("shares", [[(OLD, 100)], [(OLD, 100), (NEW, 0)], [(OLD, 0), (NEW, 100)]])
def test_without_a_share_on_both_sides_there_is_nothing_to_judge(
    dev: Environment, shares: list[tuple[str, int]]
) -> None:
    released = {"tiny-lm": release(*shares)}
    assert trial.trials(dev, released) == []
    assert {each.withdrawn for each in routes(released)[0].upstreams} == {""}


def test_a_wrong_probe_is_told_with_its_place(dev: Environment) -> None:
    folder = dev.root / trial.PROBES
    folder.mkdir(parents=True)
    (folder / "tiny-lm.yaml").write_text("- {prompt: Who}\n- {prompt: '', expected: x}\n")
    with pytest.raises(InvalidInput) as caught:
        trial.probes(dev, "tiny-lm")
    assert [each.path for each in caught.value.problems] == ["0.expected", "1.prompt"]


def test_what_is_compared_with_the_proven_engine_expects_nothing(dev: Environment) -> None:
    for folder in (trial.PROBES, trial.SPECS):
        (dev.root / folder).mkdir(parents=True)
    (dev.root / trial.SPECS / "words.yaml").write_text("{name: words, kind: embedding}\n")
    path = dev.root / trial.PROBES / "words.yaml"
    path.write_text("- {prompt: A text}\n")
    assert trial.probes(dev, "words") == (trial.Probe(prompt="A text"),)
    path.write_text("- {prompt: A text, expected: x}\n")
    with pytest.raises(InvalidInput, match=r"0\.expected: unknown key"):
        trial.probes(dev, "words")


def test_the_probes_of_the_checkout_are_enough_to_judge_by() -> None:
    from engines.judge.config import Limits

    for path in (ROOT / trial.PROBES).glob("*.yaml"):
        found = trial.probes(Environment(name="dev", root=ROOT), path.stem)
        assert len(found) >= Limits().probes


def test_the_way_back_stays_on_the_host() -> None:
    assert standby({"x": release((NEW, 100), previous=OLD)}) == (("x", OLD),)
    assert standby({"x": release((NEW, 90), (OLD, 10), previous=OLD)}) == ()
    assert standby({"x": release((NEW, 100))}) == ()
