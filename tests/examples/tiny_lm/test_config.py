import json

import pytest

from examples.tiny_lm.config import VOCABULARY, ModelConfig, shapes
from landfall.errors import InvalidInput


def test_the_default_model_is_small() -> None:
    config = ModelConfig()
    assert config.parameters == 656_640
    assert config.head_dim == 32
    assert config.vocabulary == VOCABULARY == 259


def test_parameters_count_every_weight_once() -> None:
    config = ModelConfig(layers=1, heads=2, width=4, context=3, vocabulary=5)
    matrices = 5 * 4 + 3 * 4 + 4 * 12 + 4 * 4 + 4 * 16 + 16 * 4
    assert config.parameters == matrices + 3 * 4
    assert len(shapes(config)) == 3 + 6


def test_json_round_trip() -> None:
    config = ModelConfig(layers=2, heads=8, width=64, context=32)
    assert ModelConfig.from_json(config.to_json()) == config
    assert json.loads(config.to_json())["architecture"] == "tiny-lm"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "gpt2"}, "architecture: must be 'tiny-lm'"),
        ({"dropout": 0.1}, "dropout: is not known"),
        ({"layers": 0}, "layers: must be a whole number of at least 1, is 0"),
        ({"layers": True}, "layers: must be a whole number of at least 1, is True"),
        ({"context": "long"}, "context: must be a whole number of at least 1, is 'long'"),
        ({"heads": 3}, "heads: 3 does not divide the width 128"),
        ({"head_dim": 64}, "head_dim: must be width / heads = 32, is 64"),
        ({"width": None}, "width: must be a whole number of at least 1, is None"),
    ],
)
def test_a_wrong_key_is_named(change: dict[str, object], message: str) -> None:
    text = json.dumps({**json.loads(ModelConfig().to_json()), **change})
    with pytest.raises(InvalidInput) as caught:
        ModelConfig.from_json(text)
    assert message in str(caught.value)


def test_all_problems_come_at_once() -> None:
    text = json.dumps({"architecture": "x", "layers": 1, "colour": "red"})
    with pytest.raises(InvalidInput) as caught:
        ModelConfig.from_json(text)
    paths = [problem.path for problem in caught.value.problems]
    missing = ["context", "head_dim", "heads", "vocabulary", "width"]
    assert paths == [*missing, "colour", "architecture"]


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^config\.json"):
        ModelConfig.from_json(text)
