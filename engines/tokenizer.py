"""Text to tokens and back, for models over bytes: token 0 to 255 is a byte, above are special.

A special token stands for itself only where the chat template wrote it: what a user typed is always
read as bytes, so nobody can forge a turn of the conversation by spelling one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engines.source import TOKENIZER
from landfall.errors import IntegrityError

BYTES = 256


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """The special tokens by their spelling; everything else is UTF-8."""

    special: dict[str, int]

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return BYTES + len(self.special)

    def encode(self, text: str) -> list[int]:
        """`text` as bytes; no spelling is special."""
        return list(text.encode("utf-8", errors="replace"))

    def encode_marked(self, text: str, *, guard: str = "") -> list[int]:
        """`text` with the spellings of special tokens read as these; `guard` is left out."""
        pieces = re.split(self._pattern, text) if self.special else [text]
        found: list[int] = []
        for piece in pieces:
            if piece in self.special:
                found.append(self.special[piece])
            else:
                found += self.encode(piece.replace(guard, "") if guard else piece)
        return found

    def shield(self, text: str, guard: str) -> str:
        """`text` with every spelling of a special token broken by `guard`."""
        for word in self.special:
            text = text.replace(word, f"{word[0]}{guard}{word[1:]}")
        return text

    def decode(self, ids: Iterable[int]) -> bytes:
        """The bytes that `ids` stand for; special tokens stand for none."""
        return bytes(each for each in ids if each < BYTES)

    @property
    def _pattern(self) -> str:
        words = sorted(self.special, key=len, reverse=True)
        return f"({'|'.join(map(re.escape, words))})"


def load(folder: Path) -> Tokenizer:
    """The tokenizer of the model or engine in `folder`.

    Raises:
        IntegrityError: the file is missing, or not a tokenizer over bytes.
    """
    path = folder / TOKENIZER
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        kind, special = value["type"], dict(value["special_tokens"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{path}: not a tokenizer that we can read: {error!r}") from error
    if kind != "bytes":
        raise IntegrityError(f"{path}: a tokenizer of type {kind!r}; this backend reads 'bytes'")
    if sorted(special.values()) != list(range(BYTES, BYTES + len(special))):
        raise IntegrityError(f"{path}: special tokens must be numbered from {BYTES} on")
    return Tokenizer(special)
