"""Requests whose answers come whole: what a server can do to them."""

from __future__ import annotations

import json

import pytest

from engines.load import whole
from tests.engines.load.test_ask import server, target

BODY = b'{"data": []}'
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n" + BODY

ANSWERS: dict[str, tuple[bytes, str]] = {
    "whole": (GOOD, ""),
    "cut": (GOOD[:-3], "cut"),
    "turned away": (b"HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n", "429"),
    "nothing at all": (b"", "cut"),
    "not HTTP": (b"hello\r\n\r\n", "cut"),
}


@pytest.mark.parametrize(("answer", "error"), ANSWERS.values(), ids=ANSWERS)
def test_what_a_server_says(answer: bytes, error: str) -> None:
    with server(answer) as url:
        found = whole.post(target(url), whole.EMBEDDINGS, "{}")
    assert (found.error, found.first, found.tokens) == (error, None, 0)
    assert found.text == ("" if error else BODY.decode())


def test_a_server_that_is_silent_or_not_there() -> None:
    with server(None) as url:
        asked = target(url, timeout_s=0.2)
        assert whole.post(asked, whole.infer("x"), "{}").error == "timeout"
    assert whole.post(asked, whole.infer("x"), "{}").error == "refused"


def test_what_is_asked() -> None:
    assert json.loads(whole.embedding("e", [1, 2])) == {"model": "e", "input": [1, 2]}
    assert whole.infer("prices") == "/v2/models/prices/infer"
