"""Which prompts the cache still holds, and whose: what is known of a prompt is not read again.

Only whole chunks count. A chunk's keys and values depend on the tokens up to its end and on
nothing else, as long as it is read as one piece from a multiple of the chunk's length; what a step
wrote, token by token, differs in the last bits. So an answer on top of what was kept is the same,
to the bit, as one without.

Every prompt has an owner, and only the owner's own prompts are looked at: how long an answer takes
must not tell one tenant what another has asked.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from engines.backends import Ids

Owner = tuple[str, str]
"""A tenant, and the word that it may give to keep its own users apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A row that holds a prompt's whole chunks."""

    owner: Owner
    ids: Ids


def shared(held: Ids, wanted: Ids, chunk: int) -> int:
    """With how many tokens both begin, in whole chunks."""
    length = min(len(held), len(wanted)) // chunk * chunk
    same = held[:length] == wanted[:length]
    return length if same.all() else int(np.argmin(same)) // chunk * chunk


class PrefixCache:
    """The rows that are kept for prompts to come; the one that was used longest ago goes first."""

    def __init__(self, rows: range, chunk: int) -> None:
        self._chunk = chunk
        self._free = list(reversed(rows))
        self._kept: OrderedDict[int, Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, owner: Owner, ids: Ids) -> tuple[int, int]:
        """The row that holds most of `ids` from their beginning, and how many; 0 for none."""
        best, row = 0, -1
        for each, kept in self._kept.items():
            if kept.owner == owner and (length := shared(kept.ids, ids, self._chunk)) > best:
                best, row = length, each
        if best:
            self._kept.move_to_end(row)
        return row, best

    def keep(self, owner: Owner, ids: Ids) -> int | None:
        """The row to copy `ids` to (whole chunks), or None where they are kept already."""
        if not len(ids) or not (self._free or self._kept):
            return None
        row, length = self.find(owner, ids)
        if length == len(ids):
            return None
        if not length or length < len(self._kept[row].ids):  # not one that `ids` continue
            row = self._free.pop() if self._free else next(iter(self._kept))
        self._kept[row] = Kept(owner=owner, ids=ids)
        self._kept.move_to_end(row)
        return row
