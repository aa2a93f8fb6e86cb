"""The rack of the rehearsal."""

from __future__ import annotations

from collections.abc import Callable

from landfall.model.environment import Environment
from rehearsal.rack import Rack, demo


def of(environment: Environment, on_progress: Callable[[str], None] = lambda _: None) -> Rack:
    """The rack of an environment, whether it is up or not."""
    return demo(environment.leavings / "rack", on_progress)
