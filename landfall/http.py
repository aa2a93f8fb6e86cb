"""The only module that imports httpx: asking a gateway, as any OpenAI client would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from landfall.errors import LandfallError, Unreachable

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 120.0

UNAUTHORIZED, TOO_LARGE = 401, 413


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A gateway and the API key of one of its tenants."""

    url: str
    api_key: str

    def _client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.api_key}"} if self.api_key else {},
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            trust_env=False,  # a request for the site never goes through a proxy
        )


def models(endpoint: Endpoint) -> list[str]:
    """The names that the gateway serves.

    Raises:
        Unreachable: nothing answers.
        LandfallError: the gateway refused; with its own words.
    """
    try:
        with endpoint._client() as client:
            answer = client.get("/v1/models")
            answer.read()
    except httpx.TransportError as error:
        raise _unreachable(endpoint, error) from error
    _check(answer)
    return [str(each["id"]) for each in answer.json()["data"]]


def chat(endpoint: Endpoint, *, model: str, prompt: str, max_tokens: int | None) -> Iterator[str]:
    """Ask one question and yield the answer as it is generated.

    Raises:
        Unreachable: nothing answers, or the answer broke off.
        LandfallError: the gateway or the engine refused; with its own words.
    """
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "stream": True,
    }
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    try:
        with (
            endpoint._client() as client,
            client.stream("POST", "/v1/chat/completions", json=body) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                answer.read()
                _check(answer)
            yield from _pieces(answer)
    except httpx.TransportError as error:
        raise _unreachable(endpoint, error) from error


def _pieces(answer: httpx.Response) -> Iterator[str]:
    for line in answer.iter_lines():
        data = line.removeprefix("data: ")
        if data in {line, "[DONE]"}:
            continue
        event = json.loads(data)
        if "error" in event:
            raise LandfallError(f"the answer broke off: {event['error'].get('message', '')}")
        for choice in event.get("choices", []):
            yield choice.get("delta", {}).get("content") or ""


def _check(answer: httpx.Response) -> None:
    if answer.status_code == httpx.codes.OK:
        return
    try:
        message = str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = answer.text.strip()[:200]
    hints = {
        UNAUTHORIZED: "the key is the tenant's, kept in the secrets manager; see site.tenants",
        TOO_LARGE: "the limit is gateway_max_body_kib in the inventory",
    }
    raise LandfallError(
        f"the gateway answered {answer.status_code}: {message}",
        hint=hints.get(answer.status_code, ""),
    )


def _unreachable(endpoint: Endpoint, error: Exception) -> Unreachable:
    return Unreachable(
        f"{endpoint.url} does not answer: {error}",
        hint="landfall status shows what runs; landfall up starts it",
    )
