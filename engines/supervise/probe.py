"""Ask a server on loopback for one token, and what it says about itself."""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import dataclass
from typing import Any

from landfall.errors import Unreachable

OK = 200
QUICK_S = 5.0
"""Patience with what needs no GPU, in seconds."""
PROMPT = "Hello"
LONGEST = 1 << 20
"""Bytes of an answer that are read: one token is never more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a server listens, and where it tells how it is.

    Attributes:
        port: of loopback.
        health: the path that answers 200 while it is well.
        metrics: the path for Prometheus; empty where there is none.
        generated: the counter there of tokens that were made; empty where there is none.
    """

    port: int
    health: str
    metrics: str = ""
    generated: str = ""


def well(server: Server) -> bool:
    """Whether it says that it is well. That is no proof: a hung generator says so, too."""
    try:
        return _get(server, server.health)[0] == OK
    except Unreachable:
        return False


def token(server: Server, patience_s: float) -> None:
    """Have one token made, by the name that the server itself tells.

    Raises:
        Unreachable: it was not; says why.
    """
    body = {"model": _model(server), "prompt": PROMPT, "max_tokens": 1, "temperature": 0}
    path = "/v1/completions"
    status, text = _exchange(server, "POST", path, json.dumps(body), patience_s)
    if status != OK:
        raise Unreachable(f"POST {path} was answered with {status}")
    if not _made(_object(path, text)):
        raise Unreachable(f"POST {path} was answered without a token")


def generated(server: Server) -> float | None:
    """How many tokens it has made; None where it does not tell."""
    if not (server.metrics and server.generated):
        return None
    try:
        status, text = _get(server, server.metrics)
    except Unreachable:
        return None
    sample = rf"^{re.escape(server.generated)}(?:{{[^\n]*}})? ([0-9.eE+]+)\s*$"
    counts = [float(each) for each in re.findall(sample, text, re.MULTILINE)]
    return sum(counts) if status == OK and counts else None


def _model(server: Server) -> str:
    path = "/v1/models"
    status, text = _get(server, path)
    listed = _object(path, text).get("data") if status == OK else None
    if not (isinstance(listed, list) and listed and isinstance(listed[0], dict)):
        raise Unreachable(f"GET {path} names no model (status {status})")
    return str(listed[0].get("id", ""))


def _made(answer: dict[str, Any]) -> bool:
    """Whether there is a token in it; one may be no text, and the first may end the answer."""
    choices = answer.get("choices")
    if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
        return False
    usage = answer.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return bool(choices[0].get("text")) or bool(tokens) or choices[0].get("finish_reason") == "stop"


def _object(path: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Unreachable(f"{path} was answered with something that is no JSON object")
    return value


def _get(server: Server, path: str) -> tuple[int, str]:
    return _exchange(server, "GET", path, None, QUICK_S)


def _exchange(
    server: Server, method: str, path: str, body: str | None, patience_s: float
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=patience_s)
    headers = {"Content-Type": "application/json", "Connection": "close"}
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.read(LONGEST).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{method} {path}: {error or type(error).__name__}") from error
    finally:
        connection.close()
