"""How much an engine takes on, how it is shared out, and what it says by default."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt, ValidationInfo, field_validator

from landfall.model.parsing import Written

KEPT_PROMPTS = 4
"""Rows of our own server's cache for prompts that may be continued, beside those that run. Each
takes as much memory as a running request."""


class Limits(Written):
    """How much an engine takes on at a time. Lengths are in tokens.

    Attributes:
        max_batch: requests that are answered at the same time (rows of the cache).
        max_sequence: prompt and answer together.
        max_new_tokens: the longest answer; what the prompt leaves, where it is not given.
        max_prompt: the longest prompt; what the longest answer leaves, where it is not given.
        max_tokens: that one step reads, of all requests together; only GPUs.
        max_queue: requests that wait before others are turned away.
    """

    max_batch: PositiveInt
    max_sequence: PositiveInt
    max_new_tokens: PositiveInt | None = None
    max_prompt: PositiveInt | None = None
    max_tokens: PositiveInt | None = None
    max_queue: PositiveInt = 64

    @field_validator("max_new_tokens")
    @classmethod
    def _fits(cls, value: int | None, info: ValidationInfo) -> int | None:
        room = info.data.get("max_sequence")
        if room is not None and value is not None and value >= room:
            raise ValueError(
                f"must be less than max_sequence ({room}), to leave room for a prompt; not {value}"
            )
        return value

    @field_validator("max_prompt")
    @classmethod
    def _leaves_room(cls, value: int | None, info: ValidationInfo) -> int | None:
        room, answer = info.data.get("max_sequence"), info.data.get("max_new_tokens")
        if value is None or room is None:
            return value
        most = room - (answer or 1)
        if value > most:
            raise ValueError(f"must leave room for an answer: at most {most}, not {value}")
        return value

    @property
    def prompt(self) -> int:
        """The longest prompt: as given, or what an answer leaves."""
        return self.max_prompt or max(1, self.max_sequence - (self.max_new_tokens or 1))


class Parallelism(Written):
    """How a model is shared out: `tensor` GPUs share every layer, `pipeline` groups the layers."""

    tensor: PositiveInt = 1
    pipeline: PositiveInt = 1

    @property
    def gpus(self) -> int:
        """How many it takes."""
        return self.tensor * self.pipeline


class Generation(Written):
    """What a request that does not say gets, in place of the model's own settings."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: PositiveInt | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=2)] | None = None
