"""What a build must reach, as a spec states it: quality, and answers under load."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from landfall.model.parsing import Written

MIN_REQUESTS = 20
"""Of fewer, the 95th percentile is only the slowest."""


class QualityGate(Written):
    """The bound on what a build may lose.

    `max_ratio`: the engine's perplexity on held-out text, divided by the unquantised model's.
    """

    metric: Annotated[str, Field(pattern="^perplexity$")] = "perplexity"
    max_ratio: Annotated[float, Field(ge=1.0, le=2.0)] = 1.02


class LatencyGate(Written):
    """The bound on answers under a stated load: requests arrive whether others are done or not.

    Attributes:
        requests_per_second: how many arrive, on average.
        requests: how many are measured.
        ttft_p95_ms: 95 of 100 get their first token within so many milliseconds.
        tpot_p95_ms: and 95 of 100 wait no longer than this between tokens, on average.
    """

    requests_per_second: Annotated[float, Field(gt=0, le=10_000)]
    requests: Annotated[int, Field(ge=MIN_REQUESTS, le=1_000_000)] = 200
    ttft_p95_ms: Annotated[float, Field(gt=0)]
    tpot_p95_ms: Annotated[float, Field(gt=0)]


class Gates(Written):
    """What a build must reach to become an engine. Latency is bounded where it is stated."""

    quality: QualityGate = QualityGate()
    latency: LatencyGate | None = None
