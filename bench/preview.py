"""A preview by Landfall against the same preview by the plain Pulumi command.

Both are whole commands, started from a shell, against the offline cloud and one state, in turns.
The plain command gets a provider that runs already; Landfall starts its own.
"""

from __future__ import annotations

import statistics

from bench.figure import Figure
from bench.timing import LANDFALL, timed
from landfall import process
from landfall.cli.flow import cloud
from landfall.model.environment import find

ROUNDS = 5
GOAL = 1.3
CHANGES = {0, 10, 11}


def measure() -> list[Figure]:
    """Medians of both, and the median of each round's own ratio."""
    environment = find("dev")
    with cloud.session(environment, offline=True, on_progress=print) as session:
        cloud.make_stacks(session)
        variables = cloud.shell_environment(session)

        def plain() -> None:
            process.run(
                ["pulumi", "preview", "-s", "dev", "--non-interactive"],
                cwd=environment.root,
                env=variables,
            )

        def ours() -> None:
            command = [str(LANDFALL), "preview", "dev", "--only", "cloud", "--format", "json"]
            done = process.run(command, cwd=environment.root, check=False)
            if done.returncode not in CHANGES:
                raise SystemExit(done.stderr)

        pairs = [(timed(plain), timed(ours)) for _ in range(ROUNDS)]
    ratio = statistics.median(mine / theirs for theirs, mine in pairs)
    theirs, mine = (statistics.median(column) for column in zip(*pairs, strict=True))
    return [
        Figure(
            name="landfall preview, cloud half only, against pulumi preview",
            value=ratio,
            unit="times",
            goal=GOAL,
            detail=f"{mine:.2f} s against {theirs:.2f} s, median of {ROUNDS} pairs",
        )
    ]
