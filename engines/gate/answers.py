"""What a server on loopback answers, measured: quality, sameness, speed, and answers under load.

It judges nothing. It is a program of its own, because it runs in the network of the container that
serves, which has no other: `python -m engines.gate.answers`.

vLLM gives the log-probability of every token of a prompt (`echo` with `logprobs`), so perplexity is
measured as for other engines. trtllm-serve does not: its requests may have no other fields than its
own, none of which asks for that, and `logprobs` tells of generated tokens only
(serve/openai_protocol.py, CompletionRequest). There the share of held-out words is measured with
which the model goes on by itself.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from engines.load.ask import OK, TIMEOUT_S, Answer, Target, ask
from engines.load.run import run
from engines.load.schedule import poisson
from landfall.errors import LandfallError, Unreachable
from landfall.model.parsing import Written

READY_S = 3600.0
"""Weights are read from disk, kernels tuned and graphs captured before the first answer."""
ASK_AGAIN_S = 1.0

PERPLEXITY, NEXT_WORD = "perplexity", "next_word"

MAX_TOKENS = 16_384
"""Read for perplexity: as for engines in our own process (engines.gate)."""
LONGEST_LINE = 2_000
"""Bytes: a server keeps numbers for the whole vocabulary for each token of a prompt."""

WORDS = 512
"""Of which the next is asked: one that flips moves the share by a fifth of a percent."""
CONTEXT_WORDS = 3
WORD_TOKENS = 8
"""Enough for a word; one that is longer counts as missed for every engine alike."""

PROMPTS = 3
TOKENS = 24
"""Of the answers that must be the same, as for engines in our own process."""
SPEED_TOKENS = 64
LOAD_TOKENS = 16
PROMPT_CHARACTERS = 48
SEED = 1


class Load(Written):
    """The load of the gate for latency: requests in all, and how many arrive in a second."""

    rate: float
    requests: int


class Measured(Written):
    """What was measured.

    Attributes:
        metric: of `value`.
        value: perplexity, or the share of words; None where it is not a finite number.
        count: of tokens or words.
        prompts: that were asked again, of which `different` got another answer.
        cold_different: answers that differ from the first one, which found no prompt in the cache.
        tokens_per_second: of one stream; 0 where too few tokens came.
        tokens: that it was measured on.
        outcomes: of the load (engines.load.outcome.Outcome); none where there was none.
    """

    metric: str
    value: float | None
    count: int
    prompts: int = 0
    different: int = 0
    cold_different: int = 0
    tokens_per_second: float = 0.0
    tokens: int = 0
    outcomes: tuple[dict[str, Any], ...] = ()


def measure(
    url: str, lines: Sequence[str], metric: str, *, load: Load | None, whole: bool
) -> Measured:
    """Measure a server that is ready; only its quality unless the `whole` is asked for.

    Raises:
        Unreachable: it does not answer, or not with what was asked.
    """
    name = served_name(url)
    value, count = QUALITY[metric](url, name, lines)
    found = Measured(metric=metric, value=value if math.isfinite(value) else None, count=count)
    if not whole:
        return found
    asks = partial(_answer, url, name)
    prompts = [line[:PROMPT_CHARACTERS] for line in lines]
    cold, first, again = (
        [asks(prompt, TOKENS).text for prompt in prompts[:PROMPTS]] for _ in range(3)
    )
    alone = asks(prompts[0], SPEED_TOKENS)
    more = {
        "prompts": len(first),
        "different": sum(map(str.__ne__, first, again)),
        "cold_different": sum(map(str.__ne__, cold, first)),
        "tokens_per_second": _speed(alone),
        "tokens": alone.tokens,
        "outcomes": _under_load(url, name, prompts, load) if load else (),
    }
    return found.model_copy(update=more)


def text(path: Path, longest: int) -> list[str]:
    """The lines of a file that hold something, cut to so many bytes: no token is less than one."""
    lines = path.read_text(encoding="utf-8").splitlines()
    cut = (line.encode()[: min(longest, LONGEST_LINE)].decode(errors="ignore") for line in lines)
    return [line for line in cut if line.strip()]


def wait(url: str, pid: int) -> None:
    """Wait until a server generates.

    Raises:
        Unreachable: its process ended, or it takes longer than an hour.
    """
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if not _alive(pid):
            raise Unreachable("the server ended before it was ready")
        try:
            _answer(url, served_name(url), "a", 1)
        except Unreachable:
            time.sleep(ASK_AGAIN_S)
        else:
            return
    raise Unreachable(f"the server was not ready after {READY_S:.0f} s")


def served_name(url: str) -> str:
    """The one name that a server knows its model by: some take it from the folder."""
    models = _call(url, "GET", "/v1/models").get("data") or [{}]
    return str(models[0].get("id", ""))


def perplexity(url: str, name: str, lines: Sequence[str]) -> tuple[float, int]:
    """Perplexity over the prompts, and the tokens that it was measured on.

    Raises:
        Unreachable: the server tells nothing of the prompt's tokens.
    """
    total, count = 0.0, 0
    for line in lines:
        body = {"model": name, "prompt": line, "max_tokens": 1, "temperature": 0}
        told = _call(url, "POST", "/v1/completions", {**body, "echo": True, "logprobs": 1})
        read = int((told.get("usage") or {}).get("prompt_tokens", 0))
        [choice] = told.get("choices") or [{}]
        found = (choice.get("logprobs") or {}).get("token_logprobs") or []
        # nothing stands before the first token; behind the prompt stands what was generated
        values = [float("nan") if each is None else each for each in found[1:read]]
        if len(values) != read - 1:
            message = f"{len(values)} log-probabilities came for {read} tokens of a prompt"
            raise Unreachable(f"perplexity: {message}")
        total -= sum(values)
        count += len(values)
        if count >= MAX_TOKENS:
            break
    if not count:
        raise Unreachable("perplexity: the held-out text has no line of two tokens")
    return (math.exp(min(total / count, 700.0)) if math.isfinite(total) else math.inf), count


def next_word(url: str, name: str, lines: Sequence[str]) -> tuple[float, int]:
    """The share of words with which the model goes on by itself, and how many were asked.

    Raises:
        Unreachable: no line is long enough, or an answer did not come.
    """
    asked = questions(lines)
    if not asked:
        raise Unreachable(f"next word: no line has more than {CONTEXT_WORDS} words")
    right = sum(
        _answer(url, name, prompt, WORD_TOKENS).text.split()[:1] == [word] for prompt, word in asked
    )
    return right / len(asked), len(asked)


QUALITY = {PERPLEXITY: perplexity, NEXT_WORD: next_word}


def questions(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Beginnings of lines with the word that follows: at most WORDS, spread over the text."""
    found = []
    for line in lines:
        words = line.split(" ")
        found += [
            (" ".join(words[:index]), words[index])
            for index in range(CONTEXT_WORDS, len(words))
            if words[index].strip() == words[index] != ""
        ]
    return found[:: max(1, math.ceil(len(found) / WORDS))]


def _under_load(
    url: str, name: str, prompts: Sequence[str], load: Load
) -> tuple[dict[str, Any], ...]:
    target = Target(url=url, model=name, max_tokens=LOAD_TOKENS, chat=False)
    arrivals = poisson(rate=load.rate, requests=load.requests, seed=SEED)
    return tuple(asdict(each) for each in run(partial(ask, target), arrivals, prompts))


def _answer(url: str, name: str, prompt: str, tokens: int) -> Answer:
    found = ask(Target(url=url, model=name, max_tokens=tokens, chat=False), prompt)
    if found.error:
        raise Unreachable(f"an answer did not come: {found.error}")
    return found


def _speed(answer: Answer) -> float:
    if answer.first is None or answer.tokens < 2 or answer.ended <= answer.first:  # noqa: PLR2004
        return 0.0
    return round((answer.tokens - 1) / (answer.ended - answer.first), 1)


def _call(url: str, method: str, path: str, body: object = None) -> dict[str, Any]:
    """What a server answers to one request, as JSON."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        told = response.read()
        if response.status != OK:
            raise Unreachable(f"{method} {path}: {response.status}")
        found = json.loads(told)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"{method} {path}: {error}") from error
    finally:
        connection.close()
    return found if isinstance(found, dict) else {}


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def main(argv: Sequence[str] | None = None) -> int:
    """Wait for a server, measure it, and print what was measured as JSON."""
    parser = argparse.ArgumentParser(description="Measure a server on loopback.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--pid", type=int, required=True, help="the server's process")
    parser.add_argument("--text", type=Path, required=True, help="held-out text, line by line")
    parser.add_argument("--longest", type=int, default=LONGEST_LINE, help="bytes of a line")
    parser.add_argument("--metric", choices=sorted(QUALITY), required=True)
    parser.add_argument("--whole", action="store_true", help="not only quality")
    parser.add_argument("--rate", type=float, default=0.0, help="of a load, in requests a second")
    parser.add_argument("--requests", type=int, default=0)
    asked = parser.parse_args(argv)
    lines = text(asked.text, asked.longest)
    load = Load(rate=asked.rate, requests=asked.requests) if asked.requests else None
    try:
        wait(asked.url, asked.pid)
        found = measure(asked.url, lines, asked.metric, load=load, whole=asked.whole)
    except LandfallError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(found.model_dump_json())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
