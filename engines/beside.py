"""What is served beside a model: a draft model, and adapters. They travel with the engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, PositiveInt

from landfall.model.parsing import Written

DRAFT, ADAPTERS = "draft", "adapters"
"""Their places in an engine's folder; each adapter has a folder of its name."""

PLACE = rf"^({DRAFT}|{ADAPTERS}/[a-z0-9][a-z0-9.-]{{0,62}})$"


class DraftModel(Written):
    """A small model that guesses ahead; the large one checks `tokens` guesses at once."""

    huggingface: Annotated[str, Field(min_length=1)]
    tokens: Annotated[PositiveInt, Field(le=16)] = 4


class Adapter(Written):
    """A LoRA: a folder with adapter_config.json, served under a name of its own."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
    huggingface: Annotated[str, Field(min_length=1)]
    rank: Annotated[PositiveInt, Field(le=512)] = 16


def paths(draft: DraftModel | None, adapters: Iterable[Adapter]) -> dict[str, str]:
    """The folder of each, as its spec writes it, by its place in the engine."""
    found = {DRAFT: draft.huggingface} if draft else {}
    return found | {f"{ADAPTERS}/{each.name}": each.huggingface for each in adapters}
