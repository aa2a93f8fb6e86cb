"""A model that was never trained, registered like any other: what a canary is there to catch.

Its engine is as good as the model that it was built from, so every gate of the build is passed.
"""

from __future__ import annotations

from datetime import UTC, datetime

from examples.tiny_lm import data, graph
from examples.tiny_lm.config import ModelConfig
from examples.tiny_lm.export import Training, export
from landfall import registry
from landfall.cli.flow import model
from landfall.model import admission
from landfall.model.environment import Environment

SEED = 7


def register(environment: Environment, *, tracking_uri: str) -> registry.ModelVersion:
    """Register the untrained model, once. No alias stands for it."""
    corpus, config = data.load(), ModelConfig()
    folder = environment.leavings / "training" / "untrained"
    told = Training(
        job_digest="", data_digest=corpus.digest, parameters=config.parameters, steps=0,
        loss=0.0, perplexity=0.0, answer_perplexity=0.0,
    )  # fmt: skip
    weights = graph.random_weights(config, SEED)
    export(folder, config=config, weights=weights, held_out=corpus.held_out, training=told)
    card = registry.Card(
        parameters=config.parameters,
        precision="float32",
        data_digest=corpus.digest,
        trained_on=datetime.now(UTC).date(),
        classification=admission.inherited(each.classification for each in model.admitted()),
    )
    return registry.register(
        folder, model.NAME, tracking_uri=tracking_uri, tags=card.tags(), metrics={}, params={}
    )
