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


class EmbeddingGate(Written):
    """The bound on what a build may lose of an encoder, on texts that travel with the model.

    Both are about the engine's vectors beside those of the float32 model. A search stays the same
    search while nearly every text keeps its nearest neighbour. Of two layers of random weights
    int8 leaves a cosine of 0.9999 and int4 one of 0.986, so the default passes the first alone.

    Attributes:
        min_cosine: of each text, between its two vectors; the worst counts.
        min_neighbours: share of texts whose nearest neighbour stays the same.
    """

    min_cosine: Annotated[float, Field(gt=0, le=1)] = 0.99
    min_neighbours: Annotated[float, Field(gt=0, le=1)] = 0.95


class GraphGate(Written):
    """The bound on how far the outputs of a graph may be from those of the float32 model.

    Two layers of random weights are off by 1.1 percent in int8 and 9.7 in int4, so the default
    passes the first alone.

    Attributes:
        max_relative: the largest difference in an output, divided by the largest number that it
            has in the float32 model.
        max_absolute: the largest difference as it is; in the output's own unit, so there is no
            default.
        min_equal: share of values that stay the same in outputs that are words, truth or whole
            numbers: classes on the edge may change sides, few are.
    """

    max_relative: Annotated[float, Field(ge=0, le=1)] = 0.02
    max_absolute: Annotated[float, Field(ge=0)] | None = None
    min_equal: Annotated[float, Field(gt=0, le=1)] = 0.99


class ResponseGate(Written):
    """The bound on whole answers under a stated load, for kinds whose answers come at once.

    Attributes:
        requests_per_second: how many arrive, on average.
        requests: how many are measured.
        p95_ms: 95 of 100 have their answer within so many milliseconds.
    """

    requests_per_second: Annotated[float, Field(gt=0, le=10_000)]
    requests: Annotated[int, Field(ge=MIN_REQUESTS, le=1_000_000)] = 200
    p95_ms: Annotated[float, Field(gt=0)]


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
    """What a build must reach to become an engine. Latency is bounded where it is stated.

    `quality` and `latency` are of text generation, `embedding` and `graph` of these kinds, and
    `response` of both of them. What is not of an engine's kind is None.
    """

    quality: QualityGate | None = QualityGate()
    embedding: EmbeddingGate | None = None
    graph: GraphGate | None = None
    latency: LatencyGate | None = None
    response: ResponseGate | None = None

    def of_kind(self, kind: str) -> Gates:
        """These gates, with the default of what an engine of `kind` must reach.

        Raises:
            ValueError: a gate is given that is of another kind; names them all.
        """
        own = OF_KIND.get(kind, ("quality", "latency"))
        wrong = [
            name
            for name in sorted(self.model_fields_set)
            if name not in own and getattr(self, name) is not None
        ]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: not of kind {kind}, which has {', '.join(own)}")
        quality, _ = own
        given = getattr(self, quality) or DEFAULTS[quality]
        none = dict.fromkeys(DEFAULTS)
        return self.model_copy(update={**none, quality: given})


OF_KIND = {"embedding": ("embedding", "response"), "onnx_graph": ("graph", "response")}
"""The gates of kinds that generate no text: for quality, and under load."""
DEFAULTS: dict[str, QualityGate | EmbeddingGate | GraphGate] = {
    "quality": QualityGate(),
    "embedding": EmbeddingGate(),
    "graph": GraphGate(),
}
