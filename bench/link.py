"""What a pulled cable and a cut tunnel cost. Needs the rack; two servers at a time at most."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.figure import Figure
from landfall import process
from rehearsal.virtual.rack import VirtualRack
from tests.rack import bond
from tests.rack.cloud_end import failover_s
from tests.rack.conftest import Boot, Playbooks, rack_named, remove
from tests.rack.edge_end import Link, both_ends, secrets_manager
from tests.rack.site_end import HERE, THERE

PULLS, CUTS = 4, 3
"""How often a cable is pulled, each in turn, and a tunnel is cut; the worst counts."""

LOST_GOAL, FAILOVER_GOAL_S = 3.0, 35.0
UP_TIMEOUT_S = 180.0


def measure() -> list[Figure]:
    """Pings lost by a pulled cable, and the longest silence when a tunnel is cut."""
    with rack("bond") as (made, boot, folder):
        lost = lost_pings(made, boot, folder)
    with rack("link") as (made, boot, folder):
        silences = tunnel_silences(made, boot, folder)
    return [
        Figure(
            name="pings lost when a cable of a bond is pulled",
            value=max(lost),
            unit="",
            goal=LOST_GOAL,
            detail=f"{listed(lost)} of {bond.PINGS} each, one every {bond.EVERY_S * 1000:.0f} ms",
        ),
        Figure(
            name="tunnel failover, BGP at 10/30 s",
            value=max(silences),
            unit="s",
            goal=FAILOVER_GOAL_S,
            detail=f"{listed(silences)} s without an answer",
        ),
    ]


@contextmanager
def rack(name: str) -> Iterator[tuple[VirtualRack, Boot, Path]]:
    """A rack of its own, gone afterwards with its servers."""
    with ExitStack() as stack:
        made = rack_named(f"{os.getpid()}-{name}")
        stack.callback(remove, made)
        made.up()
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="landfall-bench-"))
        yield made, Boot(made, stack), Path(folder)


def lost_pings(made: VirtualRack, boot: Boot, folder: Path) -> list[float]:
    """Pings lost by each pull, on a bond that the role `network` made."""
    guest = bond.bonded(boot, made)
    bond.play(Playbooks(folder, made), guest)
    return [float(bond.lost_when_pulled(guest, pull % 2)) for pull in range(PULLS)]


def tunnel_silences(made: VirtualRack, boot: Boot, folder: Path) -> list[float]:
    """Seconds without an answer for each cut of the tunnel in use, between both real ends."""
    with secrets_manager(folder) as secrets:
        link = both_ends(boot, made, secrets, folder)
        link.play()
        return [cut(link) for _ in range(CUTS)]


def cut(link: Link) -> float:
    """Cut the preferred tunnel once both are up, and mend it."""
    if not process.wait_until(link.up, timeout_s=UP_TIMEOUT_S, interval_s=2):
        raise SystemExit(f"the tunnels did not come up: {link.state()}")
    try:
        return failover_s(link.edge, link.cloud, target=THERE, source=HERE)
    finally:
        link.cloud.mend()


def listed(values: list[float]) -> str:
    """Values in the order in which they were measured."""
    return ", ".join(f"{each:g}" if each == int(each) else f"{each:.1f}" for each in values)
