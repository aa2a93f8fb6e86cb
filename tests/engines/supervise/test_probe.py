"""One token, asked of a real server on loopback that answers, hangs or lies."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from engines.supervise import probe
from engines.supervise.probe import Server
from landfall.errors import Unreachable
from tests.engines.supervise.servers import TOKEN, Behaviour, serving

pytestmark = pytest.mark.services

QUICK = 0.3


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour()


@pytest.fixture
def server(behaviour: Behaviour) -> Iterator[Server]:
    with serving(behaviour) as port:
        yield Server(port=port, health="/health", metrics="/metrics", generated="vllm:made_total")


def test_one_token_is_asked_by_the_name_that_the_server_tells(
    server: Server, behaviour: Behaviour
) -> None:
    probe.token(server, QUICK)
    [asked] = behaviour.asked
    assert (asked["model"], asked["max_tokens"]) == ("engine", 1)
    assert probe.well(server)


LIES = {
    "no choices": ({"choices": [], "usage": {"completion_tokens": 1}}, "without a token"),
    "nothing made": (
        {"choices": [{"text": "", "finish_reason": None}], "usage": {"completion_tokens": 0}},
        "without a token",
    ),
    "an error with 200": ({"error": {"message": "hung"}}, "without a token"),
    "no JSON": ("<html>", "no JSON object"),
    "a list": ([1], "no JSON object"),
    "nothing": ("", "no JSON object"),
}


@pytest.mark.parametrize("case", LIES)
def test_an_answer_without_a_token_is_none(server: Server, behaviour: Behaviour, case: str) -> None:
    behaviour.answer, told = LIES[case]
    with pytest.raises(Unreachable, match=told):
        probe.token(server, QUICK)


@pytest.mark.parametrize(
    "answer",
    [
        TOKEN,
        {"choices": [{"text": "", "finish_reason": "length"}], "usage": {"completion_tokens": 1}},
        {"choices": [{"text": "", "finish_reason": "stop"}], "usage": None},
        {"choices": [{"text": "x"}]},
    ],
)
def test_a_token_may_be_no_text_and_may_end_the_answer(
    server: Server, behaviour: Behaviour, answer: object
) -> None:
    behaviour.answer = answer
    probe.token(server, QUICK)


@pytest.mark.parametrize("models", [{"data": []}, {}, {"data": ["x"]}, "no"])
def test_a_server_that_names_no_model_is_told(
    server: Server, behaviour: Behaviour, models: object
) -> None:
    behaviour.models = models
    with pytest.raises(Unreachable, match="/v1/models"):
        probe.token(server, QUICK)


def test_errors_and_silence_are_told(server: Server, behaviour: Behaviour) -> None:
    behaviour.status = 500
    with pytest.raises(Unreachable, match="answered with 500"):
        probe.token(server, QUICK)
    behaviour.hangs = True
    with pytest.raises(Unreachable, match="timed out"):
        probe.token(server, QUICK)
    assert probe.well(server)  # which is why health alone is no proof
    behaviour.health = 503
    assert not probe.well(server)


def test_nobody_there_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = Server(port=free.getsockname()[1], health="/health")
        assert not probe.well(nobody)
        with pytest.raises(Unreachable, match="refused"):
            probe.token(nobody, QUICK)
        assert probe.generated(nobody) is None


def test_its_counter_is_read(server: Server, behaviour: Behaviour) -> None:
    assert probe.generated(server) == 5.0
    assert probe.generated(Server(port=server.port, health="/health")) is None
    other = Server(port=server.port, health="/", metrics="/metrics", generated="vllm:other")
    assert probe.generated(other) is None
