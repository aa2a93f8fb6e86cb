"""How a module with one plan ends: it refuses, shows, or does, and tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

import pytest

from playbooks.plugins.module_utils.landfall_storage import door, run
from playbooks.plugins.module_utils.landfall_storage.plan import MAKE, Plan, Step
from tests.playbooks.storage import given

STEP = Step(name="Wipe S1", change="ext4 is lost", phase=MAKE, files={"/etc/fstab": "new\n"})


class Ended(BaseException):
    """As SystemExit: nothing in a module may catch it."""


@dataclass
class Module:
    """Ansible's module, which remembers how it ended."""

    check_mode: bool = False
    params: dict[str, Any] = field(default_factory=dict)
    failed: str = ""
    said: dict[str, Any] = field(default_factory=dict)

    def run_command(self, args: list[str], **_options: Any) -> tuple[int, str, str]:
        raise AssertionError(args)

    def fail_json(self, msg: str, **more: Any) -> NoReturn:
        self.failed, self.said = msg, more
        raise Ended

    def exit_json(self, **said: Any) -> NoReturn:
        self.said = said
        raise Ended


def conducted(module: Module, planned: Plan, error: Exception | None = None) -> list[str]:
    """The names of the steps that were carried out."""
    done: list[str] = []

    def do(plan: Plan) -> dict[str, str]:
        if error is not None:
            raise error
        done.extend(each.name for each in plan.steps)
        return {"certificate": "signed"}

    with pytest.raises(Ended):
        door.conduct(
            module,
            given.spec(),
            "wipe",
            look=lambda: given.facts(files={"/etc/fstab": "old\n"}),
            decide=lambda _: planned,
            do=do,
        )
    return done


def test_what_was_done_is_told() -> None:
    module = Module()
    assert conducted(module, Plan(steps=(STEP,))) == ["Wipe S1"]
    assert module.said["changed"]
    assert module.said["certificate"] == "signed"
    assert module.said["steps"] == [{"name": "Wipe S1", "change": "ext4 is lost", "phase": MAKE}]
    steps, fstab = module.said["diff"]
    assert steps["after"] == "1. Wipe S1\n   ext4 is lost\n"
    assert (fstab["before"], fstab["after"]) == ("old\n", "new\n")


def test_check_mode_tells_the_same_and_does_nothing() -> None:
    module, shown = Module(), Module(check_mode=True)
    conducted(module, Plan(steps=(STEP,)))
    assert conducted(shown, Plan(steps=(STEP,))) == []
    assert {**shown.said, "certificate": "signed"} == module.said


def test_without_a_step_nothing_is_done() -> None:
    module = Module()
    assert conducted(module, Plan(), error=AssertionError("nothing was to be done")) == []
    assert module.said["changed"] is False


def test_all_problems_are_told_and_nothing_is_done() -> None:
    module = Module()
    problems = ("S1 is mounted", "S2 is not empty")
    assert conducted(module, Plan(problems=problems, steps=(STEP,))) == []
    assert module.failed.splitlines()[1:] == ["  S1 is mounted", "  S2 is not empty"]
    assert module.said["problems"] == list(problems)


@pytest.mark.parametrize(
    "error", [run.Failed("mdadm: busy"), ValueError("not a journal"), OSError("disk full")]
)
def test_what_fails_ends_with_the_host_and_the_reason(error: Exception) -> None:
    module = Module()
    conducted(module, Plan(steps=(STEP,)), error=error)
    assert module.failed == f"{given.spec().host}: {error}"
