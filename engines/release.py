"""Moves of a release, as pure functions: canary, promote, roll back. Writing the file is a commit.

The engine listed first is the proven one; a second one is its canary, however large its share.
"""

from __future__ import annotations

from landfall.errors import Refused
from landfall.model.release import WHOLE, Release, Share


def canary(now: Release, key: str, share: int) -> Release:
    """Give `key` a share (percent) of the traffic, which the proven engine gives up.

    Raises:
        Refused: the share is not from 1 to 99, or another canary is out.
    """
    if not 0 < share < WHOLE:
        raise Refused(f"a canary takes 1 to {WHOLE - 1} percent, not {share}")
    others = [each.key for each in now.engines if each.key != key]
    if len(others) != 1 or now.engines[0].key == key:
        found = ", ".join(each.key for each in now.engines)
        raise Refused(f"{found} answer already", hint="Promote one or roll back first.")
    shares = (Share(key=others[0], share=WHOLE - share), Share(key=key, share=share))
    return Release(engines=shares, previous=now.previous)


def promote(now: Release | None, key: str) -> Release:
    """Give `key` all the traffic; the engine that was proven before is the way back."""
    everything = (Share(key=key, share=WHOLE),)
    if now is None:
        return Release(engines=everything)
    main = now.engines[0].key
    return Release(engines=everything, previous=now.previous if main == key else main)


def rollback(now: Release) -> Release:
    """Take a canary back; without one, return to the previous engine.

    Raises:
        Refused: there is nothing to return to.
    """
    main = now.engines[0].key
    if len(now.engines) > 1:
        return Release(engines=(Share(key=main, share=WHOLE),), previous=now.previous)
    if now.previous is None:
        raise Refused("there is no previous engine to return to")
    return Release(engines=(Share(key=now.previous, share=WHOLE),), previous=main)
