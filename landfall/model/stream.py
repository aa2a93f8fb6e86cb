"""A stream between the halves: what may flow in it, and which way."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from landfall.model import parsing
from landfall.model.classification import MAY_LEAVE, Classification
from landfall.model.parsing import Written


class Direction(StrEnum):
    """Which way records flow."""

    TO_CLOUD = "to_cloud"
    TO_SITE = "to_site"


class Stream(Written):
    """One stream, in one direction, for some classes of data.

    Attributes:
        name: of the Kinesis stream: letters, digits, `_`, `.` and `-`, 128 at most.
        direction: which way; `classes` depends on it.
        classes: what its records may be. Towards the cloud only what may leave a site.
    """

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,128}$")]
    direction: Direction
    classes: Annotated[tuple[Classification, ...], Field(min_length=1)]

    @field_validator("classes")
    @classmethod
    def _way(
        cls, classes: tuple[Classification, ...], info: ValidationInfo
    ) -> tuple[Classification, ...]:
        if len(set(classes)) < len(classes):
            raise ValueError("one appears twice")
        # Without a valid direction there is nothing to compare with, and that is told already.
        stay = [each for each in classes if each not in MAY_LEAVE]
        if stay and info.data.get("direction") is Direction.TO_CLOUD:
            may = ", ".join(each for each in Classification if each in MAY_LEAVE)
            raise ValueError(f"{', '.join(stay)} never leaves the site; towards the cloud: {may}")
        return classes

    def carries(self, classification: Classification) -> bool:
        """Whether a record of this class may go into the stream."""
        return classification in self.classes


def parse(value: object, *, source: str, root: str = "") -> Stream:
    """A stream from plain data.

    Raises:
        InvalidInput: with every problem, each with its path below `root`.
    """
    return parsing.parse(Stream, value, source=source, root=root)
