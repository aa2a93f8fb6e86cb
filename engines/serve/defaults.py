"""What a request that does not say gets: the model's own generation settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from landfall.errors import IntegrityError


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a request that does not say gets; from the model's generation settings."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int | None = None


def read(path: Path) -> tuple[Defaults, frozenset[int]]:
    """The settings in `path`, and the tokens that end a text.

    Raises:
        IntegrityError: they are not generation settings.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        longest = value.get("max_new_tokens")
        ends = value.get("eos_token_id", [])
        defaults = Defaults(
            temperature=float(value.get("temperature", 1.0)),
            top_p=float(value.get("top_p", 1.0)),
            top_k=int(value.get("top_k", 0)),
            max_tokens=None if longest is None else int(longest),
        )
        found = frozenset(int(each) for each in (ends if isinstance(ends, list) else [ends]))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{path}: not generation settings: {error}") from error
    return defaults, found
