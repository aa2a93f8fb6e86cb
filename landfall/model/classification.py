"""How far a request's data may go."""

from __future__ import annotations

from enum import StrEnum


class Classification(StrEnum):
    """From public, which may go anywhere, to restricted, which never leaves the site.

    The order is that of the words below: a model inherits the highest class that it was trained
    on, and an engine answers requests up to its own.
    """

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"

    @property
    def rank(self) -> int:
        """0 for public, 3 for restricted."""
        return list(Classification).index(self)

    def covers(self, other: Classification) -> bool:
        """Whether what may see this class may also see `other`."""
        return self.rank >= other.rank


MAY_LEAVE = frozenset({Classification.PUBLIC, Classification.INTERNAL})
"""The classes that a site may allow to overflow to the cloud. No setting adds to them."""
