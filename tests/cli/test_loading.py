"""A load test asks what the kind of the engine answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engines.load import ask, whole
from engines.load.ask import Answer
from landfall.cli.flow import loading
from landfall.errors import InvalidInput
from tests.engines.load.test_ask import target

BODY = '{"inputs": []}'


def wanted(kind: str, *prompts: str) -> loading.Wanted:
    return loading.Wanted(name="x", rate=1, requests=1, tokens=1, kind=kind, prompts=prompts)


def test_each_kind_is_asked_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    answer = Answer(ended=0.0)

    def note(_: object, *what: str) -> Answer:
        sent.append(what)
        return answer

    monkeypatch.setattr(ask, "ask", note)
    monkeypatch.setattr(whole, "post", note)
    for kind in ("text_generation", "embedding", "onnx_graph"):
        assert loading.asks(target("http://h"), wanted(kind, BODY))(BODY) is answer
    text, (embeddings, body), infer = sent
    assert (text, infer) == ((BODY,), ("/v2/models/x/infer", BODY))
    assert (embeddings, json.loads(body)["input"]) == ("/v1/embeddings", BODY)


@pytest.mark.parametrize(
    ("kind", "says"),
    [("speech", "must be text_generation, embedding or onnx_graph"), ("onnx_graph", "--prompt")],
)
def test_what_cannot_be_asked_is_told(kind: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        loading.start(target("http://h"), wanted(kind))
