"""What became of one request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one request. Times in seconds.

    Attributes:
        due: when it was to be sent, from the start of the test.
        sent: when it was sent, from the start.
        first: from when it was due to the first token; None where none came.
        ended: from when it was due to the end of the answer, or to its failure.
        tokens: of the answer.
        error: "" where the answer is whole; else its kind: a status code, `cut`, `refused`,
            `timeout` or `not sent`.
    """

    due: float
    sent: float
    first: float | None
    ended: float
    tokens: int
    error: str = ""

    @property
    def per_token(self) -> float | None:
        """Seconds between two tokens, on average; None where there are no two."""
        if self.first is None or self.tokens < 2:  # noqa: PLR2004  two ends of one gap
            return None
        return (self.ended - self.first) / (self.tokens - 1)
