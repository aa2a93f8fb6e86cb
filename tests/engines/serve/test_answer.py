"""An answer as it comes: what waits comes together, chances with their text, ends in order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engines import manifest
from engines.serve.answer import Answer, Broken, Piece
from engines.serve.job import Event, Finish, Job
from engines.serve.metrics import Metrics
from engines.serve.requests import Generation
from engines.serve.sampling import Chances
from engines.tokenizer import Tokenizer

pytestmark = pytest.mark.slow  # the manifest is a built engine's


class Recorded:
    """A decoder that keeps the job, so that the test says what comes."""

    job: Job

    def submit(self, job: Job) -> None:
        self.job = job


def collect(signed: Any, *bursts: list[Any], stops: tuple[str, ...] = ()) -> Any:
    """What an answer yields when each burst of events comes at once; an error comes last."""
    about = manifest.read(signed.engine).predicate
    wanted = Generation(
        ids=(1, 2), max_tokens=9, temperature=0, top_p=1, top_k=0, seed=None, stops=stops,
        top_logprobs=0, cache_salt="", stream=True, include_usage=False,
    )  # fmt: skip

    async def run() -> list[Any]:
        decoder: Any = Recorded()
        found: list[Any] = []
        metrics = Metrics("tiny-lm", about)
        with Answer(wanted, decoder, Tokenizer({}), metrics, operation="chat", owner=None) as it:

            async def read() -> None:
                try:
                    async for pieces in it.pieces():
                        found.append(pieces)
                except Broken as error:
                    found.append(str(error))

            reading = asyncio.create_task(read())
            for burst in bursts:
                for token, finish in burst:
                    chances = None if token is None else Chances(chosen=-1.0, top=())
                    decoder.job.on_event(Event(decoder.job, token, finish, chances))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            await reading
        return found

    return asyncio.run(asyncio.wait_for(run(), 10))


def texts(found: list[list[Piece]]) -> list[list[str]]:
    return [[piece.text for piece in pieces] for pieces in found]


def tokens(text: str, finish: Finish | None = None) -> list[Any]:
    made: list[Any] = [(byte, None) for byte in text.encode()]
    return made if finish is None else [*made, (None, finish)]


def test_pieces_that_wait_come_together(signed: Any) -> None:
    found = collect(signed, tokens("a"), tokens("bcd"), tokens("e", Finish.STOP))
    assert texts(found) == [["a"], ["b", "c", "d"], ["e"]]


def test_what_came_before_a_failure_is_handed_out_first(signed: Any) -> None:
    first, error = collect(signed, tokens("ab", Finish.NOT_FINITE))
    assert texts([first]) == [["a", "b"]]
    assert "not finite" in error


def test_chances_come_with_the_character_that_they_make(signed: Any) -> None:
    [[piece], [last]] = collect(signed, tokens("€"), tokens("x", Finish.LENGTH))
    assert (piece.text, [each.start for each in piece.scored]) == ("€", [0, 0, 0])
    assert (last.text, [each.start for each in last.scored]) == ("x", [1])


def test_a_stop_word_takes_its_chances_along(signed: Any) -> None:
    found = collect(signed, tokens("ab"), tokens("cd"), tokens("e"), stops=("bcd",))
    assert texts(found) == [["a"]]
    assert [each.token for each in found[0][0].scored] == [97]


def test_what_was_held_back_comes_at_the_end(signed: Any) -> None:
    found = collect(signed, tokens("ab"), tokens("c", Finish.LENGTH), stops=("bcd",))
    assert texts(found) == [["a"], ["bc"]]
    assert [each.token for each in found[1][0].scored] == [98, 99]
