"""What batching brings: 16 streams against one, on the same server and the same cores.

`python -m bench streams`. One stream, then 16 at once, in turns, so that what else the machine does
hits both. Every prompt is another one and nothing is kept, so each is read in full. The gaps are
those that the clients see, over all rounds of 16. Goals: 3 times the tokens per second, and a 99th
percentile of the gaps under 4 times the median.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.figure import Figure
from bench.served import NAME, SHAPE, engine, serving
from examples.tiny_lm.config import ModelConfig
from landfall.errors import LandfallError

STREAMS = 16
TOKENS = 100
ROUNDS = 6
FASTER, STEADY = 3.0, 4.0


@dataclass(slots=True)
class Stream(asyncio.Protocol):
    """One client with one streamed request: when each of its tokens came."""

    prompt: str
    tokens: int
    done: asyncio.Future[None]
    times: list[float] = field(default_factory=list)
    head: bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.Transport)
        body = {"model": NAME, "prompt": self.prompt, "max_tokens": self.tokens}
        content = json.dumps({**body, "temperature": 0, "stream": True}).encode()
        head = f"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n"
        transport.write(f"{head}connection: close\r\n\r\n".encode() + content)

    def data_received(self, data: bytes) -> None:
        """Note the tokens of a part of the answer; parsing would take the server's processor."""
        now = time.perf_counter()
        self.head = self.head or data
        self.times += [now] * data.count(b'"finish_reason": null')

    def connection_lost(self, _: Exception | None) -> None:
        """The answer is whole, or is not."""
        if not self.done.done():
            self.done.set_result(None)

    def gaps(self) -> list[float]:
        """Seconds between two tokens."""
        return [after - before for before, after in zip(self.times, self.times[1:], strict=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """What some streams got at the same time: tokens per second, and the gaps between tokens."""

    rate: float
    gaps: list[float]


async def burst(port: int, streams: int, tokens: int, word: str) -> Burst:
    """Ask `streams` questions at once and wait for all answers."""
    loop = asyncio.get_running_loop()
    made = [
        Stream(f"{word}{number:02d} is what?", tokens, loop.create_future())
        for number in range(streams)
    ]
    began = time.perf_counter()
    for each in made:
        await loop.create_connection(lambda each=each: each, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(each.done for each in made))
    took = time.perf_counter() - began
    # A token that is a part of a character shows with the next one, so a few may lie together.
    if any(not each.head.startswith(b"HTTP/1.1 200") or not each.times for each in made):
        raise LandfallError(f"the server did not answer: {made[0].head!r}")
    gaps = [gap for each in made for gap in each.gaps()]
    return Burst(rate=streams * tokens / took, gaps=gaps)


async def rounds(port: int) -> list[tuple[Burst, Burst]]:
    """One stream and many, in turns; the first turn only warms up."""
    found = []
    for number in range(ROUNDS + 1):
        one = await burst(port, 1, TOKENS, f"one {number}")
        found.append((one, await burst(port, STREAMS, TOKENS, f"all {number}")))
    return found[1:]


def figures(name: str, config: ModelConfig) -> list[Figure]:
    """Both figures for a model of this shape."""
    with tempfile.TemporaryDirectory(prefix="landfall-bench-") as folder:
        built = engine(Path(folder), config, tokens=TOKENS)
        with serving(Path(folder), *built, "--slots", str(STREAMS)) as port:
            found = asyncio.run(rounds(port))
    gaps = sorted(gap for _, many in found for gap in many.gaps)
    median, late = statistics.median(gaps), gaps[int(0.99 * len(gaps))]
    one, many = (statistics.median(pair[which].rate for pair in found) for which in (0, 1))
    return [
        Figure(
            name=f"tokens per second, {STREAMS} streams against one, {name}",
            value=statistics.median(many.rate / one.rate for one, many in found),
            unit="times",
            goal=FASTER,
            at_most=False,
            detail=f"{many:.0f} against {one:.0f} tokens/s, load {os.getloadavg()[0]:.1f}",
        ),
        Figure(
            name=f"p99 between tokens against p50, {STREAMS} streams, {name}",
            # A step that is quicker than a write leaves gaps of nothing.
            value=late / max(median, 1e-3),
            unit="times",
            goal=STEADY,
            detail=f"{1e3 * late:.1f} ms against {1e3 * median:.1f} ms, {len(gaps)} gaps",
        ),
    ]


def measure() -> list[Figure]:
    """The bench model, and the demo's shape."""
    return [*figures("bench model", SHAPE), *figures("the demo's shape", ModelConfig())]
