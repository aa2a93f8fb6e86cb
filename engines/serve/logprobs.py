r"""Chances of tokens in OpenAI's two shapes: that of completions and that of chats.

A token may be a part of a character. Chats then show U+FFFD with the bytes beside it; completions,
which have no field for bytes, show them as `bytes:\xe2`.
"""

from __future__ import annotations

from collections.abc import Sequence

from engines.serve.answer import Scored
from engines.tokenizer import Tokenizer

LOWEST = -9999.0
"""OpenAI's number for a chance of nothing: JSON has no infinity."""


def of_chat(scored: Sequence[Scored], tokenizer: Tokenizer) -> dict[str, object]:
    """As a choice of a chat has it."""
    content = [
        {
            **_entry(each.token, each.chances.chosen, tokenizer),
            "top_logprobs": [
                _entry(token, chance, tokenizer) for token, chance in each.chances.top
            ],
        }
        for each in scored
    ]
    return {"content": content, "refusal": None}


def of_completion(scored: Sequence[Scored], tokenizer: Tokenizer) -> dict[str, object]:
    """As a choice of a completion has it; offsets count characters of the answer."""
    return {
        "tokens": [_name(each.token, tokenizer) for each in scored],
        "token_logprobs": [_bounded(each.chances.chosen) for each in scored],
        "top_logprobs": [
            {_name(token, tokenizer): _bounded(chance) for token, chance in each.chances.top}
            for each in scored
        ],
        "text_offset": [each.start for each in scored],
    }


def _entry(token: int, chance: float, tokenizer: Tokenizer) -> dict[str, object]:
    content = tokenizer.decode((token,))
    text = content.decode(errors="replace") if content else _special(token, tokenizer)
    found = list(content) if content else None
    return {"token": text, "logprob": _bounded(chance), "bytes": found}


def _name(token: int, tokenizer: Tokenizer) -> str:
    content = tokenizer.decode((token,))
    if not content:
        return _special(token, tokenizer)
    try:
        return content.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in content)


def _special(token: int, tokenizer: Tokenizer) -> str:
    return next((word for word, each in tokenizer.special.items() if each == token), "")


def _bounded(chance: float) -> float:
    return max(chance, LOWEST)
