"""What is served beside a model: a draft model, and adapters."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from landfall.model.parsing import Written


class DraftModel(Written):
    """A small model that guesses ahead; the large one checks `tokens` guesses at once."""

    huggingface: Annotated[str, Field(min_length=1)]
    tokens: Annotated[PositiveInt, Field(le=16)] = 4


class Adapter(Written):
    """A LoRA: a folder with adapter_config.json, served under a name of its own."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
    huggingface: Annotated[str, Field(min_length=1)]
    rank: Annotated[PositiveInt, Field(le=512)] = 16
