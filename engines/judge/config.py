"""What the judge is told: `/etc/landfall/judge.json`, written by the role judge."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field

from landfall.errors import InvalidInput, Problem
from landfall.model.parsing import Written, parse
from landfall.model.release import Key
from landfall.model.routing import withdrawn_name
from landfall.model.trial import Probe


class Judged(Written):
    """One engine on this host."""

    key: Key
    port: int


class Trial(Written):
    """A canary of a served name beside the proven engine."""

    name: str
    proven: Judged
    canary: Judged
    probes: tuple[Probe, ...] = ()

    @property
    def mark(self) -> str:
        """The name of the file that takes this canary out."""
        return withdrawn_name(self.name, self.proven.key, self.canary.key)


class Limits(Written):
    """As `engines.judge.decision.Bounds`; what is not given is its default."""

    requests: int = Field(default=20, ge=1)
    probes: int = Field(default=6, ge=1)
    failed: float = Field(default=0.02, ge=0, le=1)
    slower: float = Field(default=1.5, ge=1)
    slack_s: float = Field(default=0.05, ge=0)
    gap_slack_s: float = Field(default=0.005, ge=0)
    worse: float = Field(default=0.25, ge=0, le=1)


class Config(Written):
    """Everything that the judge is told.

    Attributes:
        trials: the canaries of this host.
        log: the gateway's log.
        withdrawn: the folder in which a file takes a canary out; the gateway looks there.
        state: what the judge remembers between its runs.
        bounds: how much worse a canary may be.
    """

    trials: tuple[Trial, ...]
    log: Path
    withdrawn: Path
    state: Path
    bounds: Limits = Limits()


def load(path: Path) -> Config:
    """Read the configuration.

    Raises:
        InvalidInput: it is not there, or wrong; with every problem.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"cannot be read: {error}"
        raise InvalidInput(str(path), [Problem(path="", message=message)]) from error
    return parse(Config, value, source=str(path))
