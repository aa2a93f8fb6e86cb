"""One streamed request to an OpenAI-compatible server or gateway, timed.

Hosts run this, too, so it uses Python's own HTTP client.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 60.0
OK = 200

Connection = http.client.HTTPConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Who is asked, and for how much.

    Attributes:
        url: scheme, host and port; a path is put before the API's own.
        model: the served name.
        max_tokens: of one answer.
        api_key: of a tenant; empty for a server that asks for none.
        timeout_s: how long the server may be silent.
        chat: a conversation of one turn, else a plain completion.
    """

    url: str
    model: str
    max_tokens: int
    api_key: str = ""
    timeout_s: float = TIMEOUT_S
    chat: bool = True

    def __repr__(self) -> str:
        return f"Target({self.url}, {self.model})"  # never the key


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. Times are readings of `time.perf_counter`; `error` as in `Outcome`."""

    text: str = ""
    tokens: int = 0
    first: float | None = None
    ended: float
    error: str = ""


def ask(target: Target, prompt: str) -> Answer:
    """Send one greedy request on a connection of its own, and read the answer to its end."""
    try:
        connection = connect(target)
        try:
            connection.request("POST", _path(target), _body(target, prompt), headers(target))
            return _read(connection.getresponse())
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        return failure(error)


def failure(error: Exception) -> Answer:
    """What is said of a request that got no whole answer."""
    word = "timeout" if isinstance(error, TimeoutError) else "cut"
    word = "refused" if isinstance(error, ConnectionRefusedError) else word
    return Answer(ended=time.perf_counter(), error=word)


def connect(target: Target) -> Connection:
    """A connection to who is asked, not yet open."""
    parts = urlsplit(target.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else Connection
    return kind(parts.netloc, timeout=target.timeout_s)


def _path(target: Target) -> str:
    name = "chat/completions" if target.chat else "completions"
    return f"{urlsplit(target.url).path.rstrip('/')}/v1/{name}"


def headers(target: Target) -> dict[str, str]:
    """What goes with every request."""
    found = {"Content-Type": "application/json"}
    return found | ({"Authorization": f"Bearer {target.api_key}"} if target.api_key else {})


def _body(target: Target, prompt: str) -> str:
    words: dict[str, object] = (
        {"messages": [{"role": "user", "content": prompt}]} if target.chat else {"prompt": prompt}
    )
    common = {
        "model": target.model,
        "max_tokens": target.max_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return json.dumps(words | common)


def _read(response: http.client.HTTPResponse) -> Answer:
    if response.status != OK:
        response.read()
        return Answer(ended=time.perf_counter(), error=str(response.status))
    text, tokens, first, last, whole = "", 0, None, None, False
    for event in _events(response):
        if event is None:
            whole = True
            continue  # to the end of the body: who hangs up before looks like one who left
        if "error" in event:
            break
        piece = _piece(event)
        if piece:
            last = time.perf_counter()
            first = last if first is None else first
            text += piece
        tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
    ended = time.perf_counter() if not whole or last is None else last
    error = "" if whole else "cut"
    return Answer(text=text, tokens=tokens, first=first, ended=ended, error=error)


def _events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any] | None]:
    """Every event of the stream; None for the one that says that it is whole."""
    for line in response:
        data = line.decode(errors="replace").strip()
        if data == "data: [DONE]":
            yield None
        elif data.startswith("data: "):
            try:
                event = json.loads(data[6:])
            except ValueError:
                event = {"error": "not JSON"}
            yield event if isinstance(event, dict) else {"error": "not an event"}


def _piece(event: dict[str, Any]) -> str:
    for choice in event.get("choices") or []:
        return str(choice.get("text") or (choice.get("delta") or {}).get("content") or "")
    return ""
