"""Every metric of the server, by name: the one file where names are chosen.

The `gen_ai_*` names, labels and buckets follow OpenTelemetry's conventions for generative AI
(status: development), as Prometheus writes them. Models here can be quicker than their first
bucket for time per token, so finer ones stand before it. The other names are ours. No label names
a request, a user or a prompt.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from engines.manifest import Predicate

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

PROVIDER = "landfall"

DURATION_BUCKETS = tuple(0.01 * 2**power for power in range(14))
"""Seconds: 0.01 to 81.92."""
FIRST_TOKEN_BUCKETS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
)  # fmt: skip
PER_TOKEN_BUCKETS = (
    0.0005, 0.001, 0.0025, 0.005,
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5,
)  # fmt: skip
TOKEN_BUCKETS = tuple(4**power for power in range(14))
"""Tokens: 1 to 67108864."""


class Metrics:
    """The metrics of one served engine."""

    def __init__(self, model: str, about: Predicate) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._model = model
        labels = (
            "gen_ai_operation_name",
            "gen_ai_provider_name",
            "gen_ai_request_model",
            "gen_ai_response_model",
        )

        def histogram(name: str, text: str, buckets: tuple[float, ...], *more: str) -> Histogram:
            return Histogram(name, text, (*labels, *more), buckets=buckets, registry=self._registry)

        self._duration = histogram(
            "gen_ai_server_request_duration_seconds",
            "From the whole request to the end of the answer.",
            DURATION_BUCKETS,
            "error_type",
        )
        self._first = histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "From the whole request to the first token, waiting included; of whole answers.",
            FIRST_TOKEN_BUCKETS,
        )
        self._per_token = histogram(
            "gen_ai_server_time_per_output_token_seconds",
            "Mean time per token after the first; of whole answers.",
            PER_TOKEN_BUCKETS,
        )
        self._usage = histogram(
            "gen_ai_client_token_usage",
            "Tokens of a request, by whether they were read or made.",
            TOKEN_BUCKETS,
            "gen_ai_token_type",
        )
        self._next = histogram(
            "landfall_inter_token_latency_seconds",
            "Between two tokens of one answer.",
            PER_TOKEN_BUCKETS,
        )
        self._cached = Counter(
            "landfall_cached_prompt_tokens",
            "Tokens of prompts that the cache held.",
            labels,
            registry=self._registry,
        )
        info = {
            "model": about.materials.model,
            "version": about.materials.version,
            "key": about.key,
            "kind": about.kind,
            "backend": f"{about.backend} {about.backend_version}",
            "precision": about.precision,
            "classification": about.classification.value,
        }
        built = Gauge("landfall_engine_info", "The engine.", tuple(info), registry=self._registry)
        built.labels(**info).set(1)

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Add a gauge that is read whenever metrics are."""
        Gauge(name, text, registry=self._registry).set_function(read)

    def request(self, operation: str, seconds: float, error: str = "") -> None:
        """Count an answered request; `error` says how it failed, e.g. by its status."""
        self._duration.labels(*self._labels(operation), error).observe(seconds)

    def answered(self, operation: str, *, first_s: float, rest_s: float, tokens: int) -> None:
        """Note the times of a whole answer: to its first token, and from there to its last."""
        labels = self._labels(operation)
        self._first.labels(*labels).observe(first_s)
        if tokens > 1:
            self._per_token.labels(*labels).observe(rest_s / (tokens - 1))

    def next_token(self, operation: str) -> Callable[[float], None]:
        """What notes the seconds between two tokens of one operation."""
        return self._next.labels(*self._labels(operation)).observe

    def tokens(
        self, operation: str, *, read: int, made: int | None = None, cached: int = 0
    ) -> None:
        """Note a request's tokens; `made` is None where nothing is generated."""
        labels = self._labels(operation)
        self._usage.labels(*labels, "input").observe(read)
        if made is not None:
            self._usage.labels(*labels, "output").observe(made)
        self._cached.labels(*labels).inc(cached)

    def _labels(self, operation: str) -> tuple[str, str, str, str]:
        # One engine is served, under one name: what was asked for is what answers.
        return operation, PROVIDER, self._model, self._model

    def text(self) -> bytes:
        """All of them, in Prometheus' format."""
        return generate_latest(self._registry)
