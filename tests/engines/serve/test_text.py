"""Text while it comes: the pieces are the whole, characters are whole, stop words never show."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engines.serve.text import TextStream
from engines.tokenizer import Tokenizer

TOKENIZER = Tokenizer({"<end>": 256, "<user>": 257})
AB = st.text("ab", max_size=30)


def stream(text: str, *stops: str) -> tuple[list[str], bool]:
    out = TextStream(TOKENIZER, stops)
    pieces = [out.feed(token) for token in TOKENIZER.encode(text)]
    return [*pieces, out.end()], out.stopped


@given(st.text())
def test_the_pieces_are_the_whole(text: str) -> None:
    assert "".join(stream(text)[0]).encode(errors="replace") == text.encode(errors="replace")


def test_a_character_is_never_cut() -> None:
    assert stream("a€b")[0] == ["a", "", "", "€", "b", ""]


def test_half_a_character_at_the_end_is_marked() -> None:
    out = TextStream(TOKENIZER)
    assert out.feed("€".encode()[0]) == ""
    assert out.end() == "\ufffd"


@given(AB, st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3))
def test_text_ends_before_the_first_stop_word(text: str, stops: list[str]) -> None:
    pieces, stopped = stream(text, *stops)
    # Token by token, the stop word that is whole first ends the text.
    ends = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    if not ends:
        assert ("".join(pieces), stopped) == (text, False)
        return
    first = min(ends)[0]
    begin = min(at for end, at in ends if end == first)
    assert ("".join(pieces), stopped) == (text[:begin], True)


def test_special_tokens_have_no_text() -> None:
    assert TextStream(TOKENIZER).feed(257) == ""
