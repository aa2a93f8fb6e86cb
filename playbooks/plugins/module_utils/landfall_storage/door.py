"""Between Ansible's module and this package: running programs, and saying what a plan is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from . import journal, run
from .gather import Run
from .plan import Plan, Step
from .spec import Spec

PROGRAMS = "/usr/local/lib/"
SHORT = "a new program, of the role's own\n"


class Module(Protocol):
    """What of AnsibleModule is needed here."""

    params: dict[str, Any]
    check_mode: bool

    def run_command(self, args: list[str], **options: Any) -> tuple[int, str, str]:
        """Run a program."""

    def fail_json(self, msg: str, **more: Any) -> None:
        """End with an error."""


def runner(module: Module) -> Run:
    """A `Run` through Ansible, in English whatever the host speaks."""

    def call(argv: Sequence[str]) -> tuple[int, str, str]:
        said = module.run_command(list(argv), environ_update={"LC_ALL": "C"})
        return said[0], said[1], said[2]

    return call


def told(steps: Iterable[Step]) -> list[dict[str, str]]:
    """Steps as a module returns them."""
    return [{"name": each.name, "change": each.change, "phase": each.phase} for each in steps]


def diff(header: str, steps: Sequence[Step], present: Mapping[str, str]) -> list[dict[str, str]]:
    """What `--diff` shows: the steps in their order, then each file that would be written."""
    listed = "".join(f"{n}. {each.name}\n   {each.change}\n" for n, each in enumerate(steps, 1))
    shown = [{"before_header": header, "after_header": header, "before": "", "after": listed}]
    for step in steps:
        shown += [
            {
                "before_header": path,
                "after_header": path,
                "before": present.get(path, ""),
                "after": text if present.get(path) or not path.startswith(PROGRAMS) else SHORT,
            }
            for path, text in sorted(step.files.items())
        ]
    return shown


def carry_out(do: Run, spec: Spec, planned: Plan) -> None:
    """Do the steps of a plan that needs no certificate.

    Raises:
        Failed: one failed.
    """
    known = planned.journal or journal.fresh((), ())
    run.carry_out(run.Work(spec=spec, run=do, journal=known, certificate=""), planned.steps)


def report(problems: Iterable[str], host: str) -> str:
    """All problems as one message."""
    return "\n".join([f"{host}: the disks are not touched:", *(f"  {each}" for each in problems)])
