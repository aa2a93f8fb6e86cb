"""What the registry has that the site does not serve yet, as proposals for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from landfall import files
from landfall.cli.flow import engine_changes
from landfall.model.change import Change, Kind, Report, exit_code
from landfall.model.environment import Environment

FOLDER = "proposals"
"""Below an environment's leavings: a file for each proposal that was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An engine that could take over. `new`: it was not proposed before."""

    change: Change
    new: bool
    file: Path

    @property
    def text(self) -> str:
        """What a person reads and does. A proposal grants nothing."""
        name = self.change.target
        lines = [
            f"# {self.change.summary}",
            "",
            *(f"- {reason}" for reason in self.change.reasons),
            "",
            "Look at it, build it, and give it a small share first:",
            "",
            "```",
            f"landfall engine plan {name} --env {self.change.environment}",
            f"landfall engine build {name} --env {self.change.environment}",
            f"landfall engine canary {name} KEY --share 10 --env {self.change.environment}",
            "```",
            "",
            "KEY is what the build prints. [Releases](docs/release.md) go by commit and approval.",
        ]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What was found; `unknown` are engines that could not be planned, with the reason."""

    proposals: tuple[Proposal, ...]
    unknown: tuple[Change, ...]

    @property
    def exit_code(self) -> int:
        """As a preview's: 10 where there is a proposal, 13 where something is unknown."""
        changes = (*(each.change for each in self.proposals), *self.unknown)
        return int(exit_code(Report(environment="", compared_with="releases", changes=changes)))


def poll(environment: Environment) -> Polled:
    """Ask the registry what every spec means now, and write down what is new.

    Nothing is built and nothing is released: the site asks outward, nobody reaches in.

    Raises:
        InvalidInput: a spec is wrong; with every problem.
    """
    changes = engine_changes.preview(environment, None).changes
    folder = environment.work / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return Polled(
        proposals=tuple(_proposals(changes, folder)),
        unknown=tuple(each for each in changes if each.kind is Kind.UNKNOWN),
    )


def _proposals(changes: tuple[Change, ...], folder: Path) -> Iterator[Proposal]:
    for change in changes:
        if change.kind not in {Kind.CREATE, Kind.REPLACE}:
            continue
        file = folder / f"{change.target.replace('/', '-')}.md"
        made = Proposal(change=change, new=False, file=file)
        if file.exists() and file.read_text() == made.text:
            yield made
            continue
        files.write(file, made.text)
        yield Proposal(change=change, new=True, file=file)
