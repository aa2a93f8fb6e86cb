"""What the decoder is asked and what it says: one request for tokens, and its events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from engines.backends import Ids
from engines.serve.prefix import Owner
from engines.serve.sampling import Chances, Sampler


class Finish(StrEnum):
    """Why an answer ended; the first two are OpenAI's words."""

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    FAILED = "failed"
    NOT_FINITE = "not_finite"
    """The model's logits were not numbers: there is nothing to choose a token from."""


@dataclass(eq=False, slots=True, kw_only=True)
class Job:
    """One request.

    Attributes:
        ids: the prompt.
        max_tokens: the longest answer.
        on_event: called with what the decoder delivers, by whoever it delivers to.
        owner: whose prompt it is; only an owner's own prompts are read from the cache.
        top_logprobs: how many likeliest tokens to tell with each token; None for no chances at all.
        cancelled: may be set from any thread; the row is freed within a round.
        cached: how many tokens of the prompt the cache held; known with the first event.
    """

    ids: Ids
    max_tokens: int
    sampler: Sampler
    on_event: Callable[[Event], None]
    owner: Owner | None = None
    top_logprobs: int | None = None
    cancelled: bool = False
    cached: int = 0
    _read: int = 0
    _length: int = 0
    _made: int = 0
    _last: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """A token of a job, or its end, or both. The token that ends a text is not handed out."""

    job: Job
    token: int | None = None
    finish: Finish | None = None
    chances: Chances | None = None


class Full(Exception):
    """As many requests wait as may."""


class Stopped(Exception):
    """The thread has ended or is about to."""
