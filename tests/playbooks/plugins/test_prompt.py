"""One real question to each served name, by the kind of its engine."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from urllib.error import HTTPError, URLError

import pytest

from tests.playbooks.loading import plugin

PROMPT = plugin("modules", "landfall_prompt")
GIVEN = {"url": "http://g", "key": "k", "prompt": "Are you there?", "max_tokens": 8, "timeout_s": 1}


class Answered(io.BytesIO):
    code = 200


def site(kind: object, answers: dict[str, object]) -> Callable[..., Answered]:
    """What stands for the gateway: a body or a status for each path."""

    def open_url(url: str, *, data: bytes | None, method: str, **_: object) -> Answered:
        assert (data is None) == (method == "GET")
        path = url.removeprefix("http://g")
        found = kind if path == "/x/v1/models" else answers[path]
        if isinstance(found, Exception):
            raise found
        if isinstance(found, int):
            body = json.dumps({"error": {"message": "the reason"}}).encode()
            raise HTTPError(url, found, "", {}, io.BytesIO(body))  # type: ignore[arg-type]
        return Answered(json.dumps(found).encode())

    return open_url


def of(kind: str) -> object:
    return {"data": [{"id": "x", "kind": kind}]}


CHAT, EMBEDDINGS, READY = "/x/v1/chat/completions", "/x/v1/embeddings", "/v2/models/x/ready"
TEXT = {"choices": [{"message": {"content": "Yes."}}]}
CASES: dict[str, tuple[object, str, object, str]] = {
    "text": (of("text_generation"), CHAT, TEXT, ""),
    "an engine that does not tell its kind": ({"data": [{"id": "x"}]}, CHAT, TEXT, ""),
    "no list of models": (404, CHAT, TEXT, ""),
    "no text": (of("text_generation"), CHAT, {"choices": [{"message": {"content": " "}}]},
                "an answer without text"),
    "no answer in it": (of("text_generation"), CHAT, [], "an answer without text"),
    "a vector": (of("embedding"), EMBEDDINGS, {"data": [{"embedding": [0.1]}]}, ""),
    "no vector": (of("embedding"), EMBEDDINGS, {"data": []}, "an answer without a vector"),
    "refused": (of("embedding"), EMBEDDINGS, 503, "status 503: the reason"),
    "a graph": (of("onnx_graph"), READY, {"ready": True}, ""),
    "a graph that waits": (of("onnx_graph"), READY, {"ready": False}, "a graph that is not ready"),
    "nobody": (URLError("gone"), CHAT, TEXT, "no answer: <urlopen error gone>"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_each_kind_answers(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, path, answer, wrong = CASES[case]
    monkeypatch.setattr(PROMPT, "open_url", site(kind, {path: answer}))
    assert PROMPT.ask(GIVEN, "x") == wrong
