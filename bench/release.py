"""Requests that fail while engines are tried, promoted, taken out and rolled back: none should.

The rehearsal must be up. It is the life of `landfall engine life`, on the rehearsal's own host.
"""

from __future__ import annotations

from bench.figure import Figure
from landfall.cli.console import reporter
from landfall.cli.flow import life
from landfall.cli.flow.alone import only_one
from landfall.model.environment import find

LEAST = 1000
GOAL = 0


def measure() -> list[Figure]:
    """How many of over a thousand requests failed."""
    environment = find("dev")
    with only_one(environment):
        lived = life.live(environment, reporter(), life.Asked(least=LEAST))
    found = lived.report
    moves = [each for each in lived.stages if each.name.startswith(("promote", "rollback"))]
    errors = ", ".join(f"{count} {kind}" for kind, count in found.errors.items())
    during = f"{sum(each.requests for each in moves)} of them while engines were switched"
    return [
        Figure(
            name="failed requests during canary, promotion and rollback",
            value=found.failed,
            unit="requests",
            goal=GOAL,
            detail=f"of {found.requests}, {during}; {errors or 'no error'}",
        )
    ]
