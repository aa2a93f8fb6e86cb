"""Every metric of the server, by name: the one file where names are chosen.

The `gen_ai_server_*` names and labels follow OpenTelemetry's conventions for generative AI (status:
development), with buckets as in Envoy AI Gateway; the others are ours. No label names a request, a
user or a prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

DURATION_BUCKETS = tuple(0.01 * 2**power for power in range(14))
"""Seconds: 0.01 to 81.92."""
FIRST_TOKEN_BUCKETS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10, 30, 60,
)  # fmt: skip
NEXT_TOKEN_BUCKETS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 1, 2.5,
)  # fmt: skip


class Metrics:
    """The metrics of one served engine."""

    def __init__(self, model: str, info: Mapping[str, str]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._model = model
        labels = ("gen_ai_operation_name", "gen_ai_response_model")

        def histogram(name: str, text: str, buckets: tuple[float, ...], *more: str) -> Histogram:
            return Histogram(name, text, (*labels, *more), buckets=buckets, registry=self._registry)

        self._requests = Counter(
            "landfall_requests", "Answered requests.", (*labels, "code"), registry=self._registry
        )
        self._tokens = Counter(
            "landfall_tokens", "Tokens read and made.", ("gen_ai_response_model",
            "gen_ai_token_type"), registry=self._registry,
        )  # fmt: skip
        self._duration = histogram(
            "gen_ai_server_request_duration_seconds",
            "From the whole request to the end of the answer.",
            DURATION_BUCKETS,
            "error_type",
        )
        self._first = histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "From the whole request to the first token, waiting included.",
            FIRST_TOKEN_BUCKETS,
        )
        self._next = histogram(
            "gen_ai_server_time_per_output_token_seconds",
            "Between two tokens of one answer.",
            NEXT_TOKEN_BUCKETS,
        )
        built = Gauge("landfall_engine_info", "The engine.", tuple(info), registry=self._registry)
        built.labels(**info).set(1)

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Add a gauge that is read whenever metrics are."""
        Gauge(name, text, registry=self._registry).set_function(read)

    def request(self, operation: str, code: int, seconds: float, error: str = "") -> None:
        """Count an answered request."""
        self._requests.labels(operation, self._model, str(code)).inc()
        self._duration.labels(operation, self._model, error).observe(seconds)

    def first_token(self, operation: str, seconds: float) -> None:
        """Note the time to the first token."""
        self._first.labels(operation, self._model).observe(seconds)

    def next_token(self, operation: str) -> Callable[[float], None]:
        """What notes the seconds between two tokens of one operation."""
        return self._next.labels(operation, self._model).observe

    def tokens(self, *, read: int, made: int) -> None:
        """Count tokens."""
        self._tokens.labels(self._model, "input").inc(read)
        self._tokens.labels(self._model, "output").inc(made)

    def text(self) -> bytes:
        """All of them, in Prometheus' format."""
        return generate_latest(self._registry)
