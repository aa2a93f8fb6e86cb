"""What an engine's own metrics say of its latency since a moment: histograms, and differences."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

FIRST_TOKEN = "gen_ai_server_time_to_first_token_seconds"  # noqa: S105  a metric, no password
NEXT_TOKEN = "gen_ai_server_time_per_output_token_seconds"  # noqa: S105
WHOLE = "gen_ai_server_request_duration_seconds"
INFO = "landfall_engine_info"

Histogram = Mapping[str, float]
"""By upper bound, as Prometheus writes it: how many were at most that, in all."""


def labels(text: str) -> Mapping[str, str]:
    """What an engine says of itself on its page of metrics: model, version, kind and more."""
    for family in text_string_to_metric_families(text):
        if family.name == INFO:
            return dict(family.samples[0].labels)
    return {}


def histogram(text: str, name: str) -> Histogram:
    """The histogram `name` of a page of metrics, all labels together; empty where it is not.

    What failed is left out: how long that took says nothing.
    """
    found: dict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        if family.name == name:
            for sample in family.samples:
                if sample.name == f"{name}_bucket" and not sample.labels.get("error_type"):
                    found[sample.labels["le"]] += sample.value
    return dict(found)


def since(before: Histogram, now: Histogram) -> Histogram:
    """What came between two readings. An engine that was restarted counts from nothing again."""
    if any(now.get(bound, 0.0) < value for bound, value in before.items()):
        return now
    return {bound: value - before.get(bound, 0.0) for bound, value in now.items()}


def count(found: Histogram) -> int:
    """How many values there are."""
    return int(max(found.values(), default=0.0))


def quantile(found: Histogram, share: float) -> float:
    """The bound that `share` of the values are under, taken to lie evenly within a bucket.

    0 without values; the highest finite bound where it lies above that.
    """
    wanted = share * count(found)
    if not wanted:
        return 0.0
    lower, below = 0.0, 0.0
    for bound, total in sorted((float(bound), total) for bound, total in found.items()):
        if total >= wanted:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (wanted - below) / (total - below)
        lower, below = bound, total
    return lower
