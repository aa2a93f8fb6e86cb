"""One measured number, with the goal that it is held against."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number and its goal. `at_most` says on which side of the goal it should be."""

    name: str
    value: float
    unit: str
    goal: float | None
    at_most: bool = True
    detail: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal
