"""The cloud half's own figures: a large stack, three environments at once, the import of the SDK.

Everything runs against the offline cloud, from empty states, in turns.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pulumi
from pulumi import automation as auto

from bench.figure import Figure
from bench.timing import LANDFALL, timed
from landfall import process
from landfall.model.environment import cache_folder, find
from stacks import automation, toolchain

ROUNDS, IMPORTS = 3, 7
LARGE_GOAL, TOGETHER_GOAL, IMPORT_GOAL = 2.0, 0.75, 2.0
LEAST = 150
NAMES = ("dev", "staging", "prod")
SEEN = {0, 10, 11, 12, 13}

BARE = "import pulumi, pulumi_aws"
OURS = "import stacks.program"


def measure() -> list[Figure]:
    """All three."""
    return [*_large(), *_together(), *_import()]


def _large() -> Iterator[Figure]:
    """The preview of prod against the engine's own for as many queues, each without an input."""
    tools = toolchain.ensure(cache_folder(), on_progress=print)
    with (
        tempfile.TemporaryDirectory(prefix="landfall-bench-") as folder,
        automation.offline(find("prod"), tools, Path(folder), policies=None) as session,
    ):
        resources = len(automation.preview(session).changes)

        def trivial() -> None:
            for number in range(resources):
                pulumi.CustomResource("aws:sqs/queue:Queue", f"queue-{number}", {})

        ours = automation.workspace_options(session)
        options = auto.LocalWorkspaceOptions(
            env_vars=ours.env_vars, pulumi_command=ours.pulumi_command
        )
        stack = auto.create_or_select_stack("trivial", "bench", trivial, opts=options)
        stack.set_config("aws:region", auto.ConfigValue("eu-central-1"))
        stack.preview()
        pairs = [
            (timed(stack.preview), timed(lambda: automation.preview(session)))
            for _ in range(ROUNDS)
        ]
    theirs, mine = (statistics.median(column) for column in zip(*pairs, strict=True))
    yield Figure(
        name="resources of prod, everything on",
        value=resources,
        unit="resources",
        goal=LEAST,
        at_most=False,
    )
    yield Figure(
        name=f"preview of prod against {resources} queues",
        value=statistics.median(mine / theirs for theirs, mine in pairs),
        unit="times",
        goal=LARGE_GOAL,
        detail=f"{mine:.2f} s against {theirs:.2f} s, median of {ROUNDS} pairs",
    )


def _together() -> Iterator[Figure]:
    """Three environments side by side against one after another."""
    with tempfile.TemporaryDirectory(prefix="landfall-bench-") as folder:
        # staging uses the registry of prod.
        process.run([sys.executable, "-m", "stacks", "up", "prod", "--state", folder])

        def preview(*names: str) -> None:
            words = ["preview", *names, "--offline", "--only", "cloud", "--format", "json"]
            done = process.run([LANDFALL, *words, "--state", folder], check=False)
            if done.returncode not in SEEN:
                raise SystemExit(done.stderr)

        pairs = [
            (sum(timed(lambda name=name: preview(name)) for name in NAMES),  # type: ignore[misc]
             timed(lambda: preview(*NAMES)))
            for _ in range(ROUNDS)
        ]  # fmt: skip
    apart, together = (statistics.median(column) for column in zip(*pairs, strict=True))
    yield Figure(
        name="three environments previewed together, against one after another",
        value=statistics.median(mine / theirs for theirs, mine in pairs),
        unit="times",
        goal=TOGETHER_GOAL,
        detail=f"{together:.2f} s against {apart:.2f} s, median of {ROUNDS} pairs",
    )


def _import() -> Iterator[Figure]:
    """The whole program's imports against the two SDKs alone."""
    pairs = [
        (
            timed(lambda: process.run([sys.executable, "-c", BARE])),
            timed(lambda: process.run([sys.executable, "-c", OURS])),
        )
        for _ in range(IMPORTS)
    ]
    theirs, mine = (statistics.median(column) for column in zip(*pairs, strict=True))
    yield Figure(
        name=f"`{OURS}` against `{BARE}`",
        value=statistics.median(mine / theirs for theirs, mine in pairs),
        unit="times",
        goal=IMPORT_GOAL,
        detail=f"{mine:.2f} s against {theirs:.2f} s, median of {IMPORTS} pairs",
    )
