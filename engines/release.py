"""Moves of a release, as pure functions: canary, promote, roll back. Writing the file is a commit.

The engine listed first is the proven one; a second one is its canary, however large its share.
"""

from __future__ import annotations

from engines.candidate import SHORT
from landfall.errors import Refused
from landfall.model.release import WHOLE, Release, Share


def canary(now: Release | None, key: str, share: int) -> Release:
    """Give `key` a share (percent) of the traffic, which the proven engine gives up.

    Raises:
        Refused: nothing is proven yet, the share is not from 1 to 99, or another canary is out.
    """
    if now is None:
        raise Refused(
            "nothing answers for this name yet, so there is nothing to compare a canary with",
            hint="The first engine of a name is promoted.",
        )
    if not 0 < share < WHOLE:
        raise Refused(f"a canary takes 1 to {WHOLE - 1} percent, not {share}")
    if now.proven == key:
        raise Refused(f"{key[:SHORT]} answers already: it is the proven engine")
    others = [each.key for each in now.engines if each.key != key]
    if len(others) != 1:
        found = ", ".join(each[:SHORT] for each in others[1:])
        raise Refused(f"{found} is out as a canary", hint="Promote it or roll it back first.")
    shares = (Share(key=others[0], share=WHOLE - share), Share(key=key, share=share))
    return Release(engines=shares, previous=now.previous)


def promote(now: Release | None, key: str) -> Release:
    """Give `key` all the traffic; the engine that was proven before is the way back."""
    everything = (Share(key=key, share=WHOLE),)
    if now is None:
        return Release(engines=everything)
    return Release(engines=everything, previous=now.previous if now.proven == key else now.proven)


def check_proven_first(now: Release | None, key: str) -> None:
    """See that an engine was a canary before it gets all the traffic.

    Raises:
        Refused: another engine answers, and `key` has no share of its traffic.
    """
    if now is None or key in {now.proven, *(each.key for each in now.canaries)}:
        return
    raise Refused(
        f"{key[:SHORT]} has no share of the traffic, so nothing is known of it",
        hint="Give it a share first, or say --without-canary.",
    )


def rollback(now: Release) -> Release:
    """Take a canary back; without one, return to the previous engine.

    Raises:
        Refused: there is nothing to return to.
    """
    if len(now.engines) > 1:
        return Release(engines=(Share(key=now.proven, share=WHOLE),), previous=now.previous)
    if now.previous is None:
        raise Refused("there is no previous engine to return to")
    return Release(engines=(Share(key=now.previous, share=WHOLE),), previous=now.proven)
