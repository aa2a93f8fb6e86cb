"""The tokenizer: bytes and special tokens, which nobody can forge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import tokenizer
from engines.tokenizer import Tokenizer
from landfall.errors import IntegrityError

WORDS = Tokenizer({"<end>": 256, "<user>": 257, "<assistant>": 258})
GUARD = "\ufdd0guard\ufdd0"


@given(st.text())
def test_there_and_back(text: str) -> None:
    ids = WORDS.encode(text)
    assert max(ids, default=0) < 256
    assert WORDS.decode(ids) == text.encode(errors="replace")


def test_marked_text() -> None:
    assert WORDS.encode_marked("<user>hi<end>") == [257, *b"hi", 256]


@given(st.lists(st.sampled_from(["<end>", "<user>", "<", "e", "nd>", "<assistant", ">", "x"])))
def test_what_a_user_typed_is_never_special(parts: list[str]) -> None:
    typed = "".join(parts)
    ids = WORDS.encode_marked(WORDS.shield(typed, GUARD), guard=GUARD)
    assert ids == list(typed.encode())


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"type": "bytes"}', '{"type": "bpe", "special_tokens": {}}',
     '{"type": "bytes", "special_tokens": {"<end>": 300}}'],
)  # fmt: skip
def test_other_tokenizers_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(IntegrityError, match="tokenizer"):
        tokenizer.load(tmp_path)


def test_load(tmp_path: Path) -> None:
    value = {"type": "bytes", "special_tokens": WORDS.special}
    (tmp_path / "tokenizer.json").write_text(json.dumps(value))
    assert tokenizer.load(tmp_path) == WORDS
