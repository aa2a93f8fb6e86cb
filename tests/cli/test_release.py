"""`landfall engine canary`, `promote` and `rollback`: what is written, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from engines.candidate import Candidate
from landfall import process
from landfall.cli.flow import release as flow
from landfall.cli.flow.release import Asked
from landfall.errors import InvalidInput, Refused
from landfall.model import release
from landfall.model.classification import Classification
from landfall.model.environment import ROOT, Environment

OLD, NEW, THIRD = "a" * 64, "b" * 64, "bc" * 32
NAME = "tiny-lm"
NOBODY = Asked()

Know = Callable[..., None]


@pytest.fixture
def know(monkeypatch: pytest.MonkeyPatch) -> Know:
    """What the store and the signatures say: all is well, but for what a test says."""
    known: dict[str, Candidate] = {}

    def candidate(_: Environment, key: str) -> Candidate:
        well = Candidate(
            key=key, name=NAME, classification=Classification.RESTRICTED,
            builder="build-1", signer="Grace",
        )  # fmt: skip
        return known.get(key, well)

    def say(key: str, **more: object) -> None:
        known[key] = replace(candidate(None, key), **more)  # type: ignore[arg-type]

    monkeypatch.setattr(flow, "candidate", candidate)
    return say


@pytest.fixture
def site(dev: Environment, know: Know) -> Environment:
    """The environment dev, with three engines in its store."""
    return stocked(dev)


@pytest.fixture
def prod(checkout: Path, know: Know) -> Environment:
    """The environment prod, of a checkout whose git knows who we are."""
    process.run(["git", "init", "--quiet", checkout])
    process.run(["git", "-C", checkout, "config", "user.name", "Ada"])
    made = stocked(Environment(name="prod", root=checkout))
    made.release_file.write_text(f"{NAME}: {{engines: [{{key: {OLD}, share: 100}}]}}\n")
    return made


def stocked(environment: Environment) -> Environment:
    for key in (OLD, NEW, THIRD):
        (environment.store / key).mkdir(parents=True)
    specs = environment.root / "engines/specs"
    specs.mkdir(parents=True)
    shutil.copy(ROOT / "engines/specs/tiny-lm.yaml", specs)
    return environment


def shares(environment: Environment) -> dict[str, int]:
    return {each.key: each.share for each in release.load(environment)[NAME].engines}


def test_the_way_of_an_engine(site: Environment) -> None:
    first = flow.promote(site, NAME, OLD[:6], NOBODY)
    assert first.file == ".landfall/dev/releases.yaml"
    assert f"+  - key: {OLD}" in first.diff.splitlines()
    flow.canary(site, NAME, NEW[:4], 20, NOBODY)
    assert shares(site) == {OLD: 80, NEW: 20}
    flow.promote(site, NAME, "", NOBODY)
    assert (shares(site), release.load(site)[NAME].previous) == ({NEW: 100}, OLD)
    back = flow.rollback(site, NAME, NOBODY)
    assert (shares(site), release.load(site)[NAME].previous) == ({OLD: 100}, NEW)
    assert f"-previous: {OLD}" in back.diff.replace("-  ", "-")
    assert site.release_file.read_text() == "{}\n"  # a rehearsal changes no tracked file


def test_a_second_time_changes_nothing(site: Environment) -> None:
    flow.promote(site, NAME, OLD, NOBODY)
    flow.canary(site, NAME, NEW, 20, NOBODY)
    assert flow.canary(site, NAME, NEW, 20, NOBODY).diff == ""


def test_a_dry_run_writes_nothing(site: Environment) -> None:
    moved = flow.promote(site, NAME, OLD, Asked(dry_run=True))
    assert moved.diff
    assert not site.local_release_file.exists()


def test_other_names_and_the_comment_stay(site: Environment) -> None:
    site.local_release_file.parent.mkdir(parents=True)
    other = f"# Who answers.\nother: {{engines: [{{key: {THIRD}, share: 100}}]}}\n"
    site.local_release_file.write_text(other)
    flow.promote(site, NAME, OLD, NOBODY)
    text = site.local_release_file.read_text()
    assert text.startswith("# Who answers.\n")
    assert set(yaml.safe_load(text)) == {NAME, "other"}


REFUSED = {
    "not signed": ({"unverified": "it is not what was signed"}, "not what was signed"),
    "a gate did not run": ({"unmet": ("latency: not run",)}, "not passed: latency: not run"),
    "a lower class": (
        {"classification": Classification.INTERNAL},
        "may answer up to internal; tiny-lm is classified restricted",
    ),
    "another name": ({"name": "other"}, "was built for other, not for tiny-lm"),
}


@pytest.mark.parametrize(("wrong", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_must_not_answer(
    site: Environment, know: Know, wrong: dict[str, object], reason: str
) -> None:
    flow.promote(site, NAME, OLD, NOBODY)
    before = site.local_release_file.read_text()
    know(NEW, **wrong)
    with pytest.raises(Refused, match=reason):
        flow.canary(site, NAME, NEW, 10, NOBODY)
    with pytest.raises(Refused, match=reason):
        flow.promote(site, NAME, NEW, NOBODY, without_canary=True)
    assert site.local_release_file.read_text() == before


def test_every_reason_is_told_at_once(site: Environment, know: Know) -> None:
    know(OLD, unmet=("latency: not run",), classification=Classification.PUBLIC)
    with pytest.raises(Refused, match=r"latency: not run; .*classified restricted"):
        flow.promote(site, NAME, OLD, NOBODY)


def test_no_engine_gets_everything_untried(site: Environment) -> None:
    flow.promote(site, NAME, OLD, NOBODY)
    with pytest.raises(Refused, match="nothing is known of it"):
        flow.promote(site, NAME, NEW, NOBODY)
    flow.promote(site, NAME, NEW, NOBODY, without_canary=True)
    assert shares(site) == {NEW: 100}


def test_a_canary_can_be_taken_back_whatever_the_store_says(site: Environment, know: Know) -> None:
    flow.promote(site, NAME, OLD, NOBODY)
    flow.canary(site, NAME, NEW, 30, NOBODY)
    know(OLD, unverified="the store has no such engine", unmet=("quality: not run",))
    flow.rollback(site, NAME, NOBODY)
    assert shares(site) == {OLD: 100}


def test_no_way_back_to_what_cannot_be_verified(site: Environment, know: Know) -> None:
    flow.promote(site, NAME, OLD, NOBODY)
    flow.promote(site, NAME, NEW, NOBODY, without_canary=True)
    know(OLD, unmet=("latency: not run",))  # it answered before that gate was written
    assert flow.rollback(site, NAME, Asked(dry_run=True)).diff
    know(OLD, unverified="it is not what was signed")
    with pytest.raises(Refused, match="not what was signed"):
        flow.rollback(site, NAME, NOBODY)


def test_a_key_is_one_of_the_store(site: Environment) -> None:
    flow.promote(site, NAME, OLD, NOBODY)
    for wrong in ("f" * 4, "b"):
        with pytest.raises(InvalidInput):
            flow.canary(site, NAME, wrong, 10, NOBODY)
    assert shares(site) == {OLD: 100}


@pytest.mark.parametrize(
    ("approver", "reason"),
    [("", "nobody is known who approved"), ("Ada", "another one"), (" ada ", "another one")],
)
def test_prod_wants_somebody_else(prod: Environment, approver: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        flow.canary(prod, NAME, NEW, 10, Asked(approver=approver))
    assert shares(prod) == {OLD: 100}


def test_a_release_of_prod_is_a_commit(prod: Environment) -> None:
    moved = flow.canary(prod, NAME, NEW, 10, Asked(approver="Grace"))
    assert moved.file == "releases/prod.yaml"
    assert moved.trailers == ("Released-by: Ada", "Approved-by: Grace")
    assert not prod.local_release_file.exists()
    assert shares(prod) == {OLD: 90, NEW: 10}


def test_who_builds_does_not_sign_for_prod(prod: Environment, know: Know) -> None:
    know(NEW, signer="build-1")
    with pytest.raises(Refused, match="built the engine and signed it"):
        flow.canary(prod, NAME, NEW, 10, Asked(approver="Grace"))


def test_a_rollback_waits_for_nobody(prod: Environment) -> None:
    flow.canary(prod, NAME, NEW, 10, Asked(approver="Grace"))
    assert flow.rollback(prod, NAME, NOBODY).trailers == ("Released-by: Ada",)
    assert shares(prod) == {OLD: 100}


L40S, H100 = "NVIDIA L40S", "NVIDIA H100 PCIe"


def test_each_kind_of_gpu_is_released_by_itself(prod: Environment, know: Know) -> None:
    know(NEW, gpu=L40S)
    know(THIRD, gpu=H100)
    ours = Asked(approver="Grace")
    lane = f"{NAME}@L40S"
    flow.promote(prod, lane, NEW, ours)
    with pytest.raises(Refused, match="was built on NVIDIA H100 PCIe, not on NVIDIA L40S"):
        flow.canary(prod, lane, THIRD, 10, ours)
    with pytest.raises(Refused, match=rf"the site has NVIDIA A40, NVIDIA L40S: {NAME}@H100 PCIe"):
        flow.canary(prod, NAME, THIRD, 10, ours)
    found = release.load(prod)
    assert {name: each.proven for name, each in found.items()} == {NAME: OLD, lane: NEW}
