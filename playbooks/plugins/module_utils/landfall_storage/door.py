"""Between Ansible's module and this package: running programs, and saying what a plan is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

from . import journal, run
from .facts import Facts
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

    def fail_json(self, msg: str, **more: Any) -> NoReturn:
        """End with an error."""

    def exit_json(self, **said: Any) -> NoReturn:
        """End well."""


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


def conduct(
    module: Module,
    spec: Spec,
    action: str,
    *,
    look: Callable[[], Facts],
    decide: Callable[[Facts], Plan],
    do: Callable[[Plan], Mapping[str, Any] | None],
) -> NoReturn:
    """Look, decide, then refuse or do, and tell: the whole of a module with one plan.

    Nothing is done in check mode, nor where the plan has no step. What `do` returns is told, too.
    """
    more: Mapping[str, Any] = {}
    try:
        facts = look()
        planned = decide(facts)
        if planned.problems:
            message = report(planned.problems, spec.host)
            module.fail_json(msg=message, problems=list(planned.problems))
        if planned.steps and not module.check_mode:
            more = do(planned) or {}
    except (ValueError, OSError, run.Failed) as error:
        module.fail_json(msg=f"{spec.host}: {error}")
    module.exit_json(
        changed=bool(planned.steps),
        steps=told(planned.steps),
        diff=diff(f"{spec.name} ({action})", planned.steps, facts.files),
        **more,
    )


def report(problems: Iterable[str], host: str) -> str:
    """All problems as one message."""
    return "\n".join([f"{host}: the disks are not touched:", *(f"  {each}" for each in problems)])
