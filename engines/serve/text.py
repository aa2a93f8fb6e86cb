"""Tokens to text while they come: whole characters only, and never a part of a stop word."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from engines.tokenizer import Tokenizer


class TextStream:
    """The text of one answer, piece by piece.

    A character of several bytes is held back until it is whole, and text that may be the
    beginning of a stop word until it is clear that it is not.

    Attributes:
        stopped: whether a stop word has ended the text.
        read: how many characters have come.
        released: how many of them have been handed out.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._stops = tuple(stops)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.stopped = False
        self.read = 0
        self.released = 0

    def feed(self, token: int) -> str:
        """The text that is certain after `token`. After a stop word there is no more."""
        return self._release(self._decoder.decode(self._tokenizer.decode((token,))))

    def end(self) -> str:
        """What was held back, at the end of the answer."""
        text = self._release(self._decoder.decode(b"", final=True))
        if not self.stopped:
            self.released += len(self._held)
            text, self._held = text + self._held, ""
        return text

    def _release(self, new: str) -> str:
        if self.stopped:
            return ""
        self.read += len(new)
        certain = self._certain(self._held + new) if self._stops else new
        self.released += len(certain)
        return certain

    def _certain(self, text: str) -> str:
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        keep = max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` are the beginning of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
