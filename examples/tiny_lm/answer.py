"""Ask an exported model, without a server: `python -m examples.tiny_lm.answer FOLDER QUESTION`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from examples.tiny_lm.config import BYTES, CONFIG_FILE, END, ModelConfig
from examples.tiny_lm.data import prompt
from examples.tiny_lm.export import GRAPH_FILE
from landfall.errors import UsageError

Step = Callable[[list[int], int], npt.NDArray[np.float32]]


def reader(folder: Path) -> tuple[ModelConfig, Step]:
    """The model in `folder`: its shape, and a function that reads `tokens` from position `start`.

    The function returns logits [tokens, vocabulary] and keeps the cache between calls.
    """
    config = ModelConfig.from_json((folder / CONFIG_FILE).read_text())
    session = ort.InferenceSession(folder / GRAPH_FILE, providers=["CPUExecutionProvider"])
    cache = {
        f"past_{half}_{layer}": np.zeros(
            (1, config.heads, config.context, config.head_dim), np.float32
        )
        for layer in range(config.layers)
        for half in "kv"
    }

    def read(tokens: list[int], start: int) -> npt.NDArray[np.float32]:
        end = start + len(tokens)
        ids = np.array([tokens], np.int64)
        pos = np.arange(start, end, dtype=np.int64)[None]
        length = {"seqlens_k": np.array([end - 1], np.int32), "total_len": np.array(end, np.int32)}
        given = {"ids": ids, "pos": pos, **length, **cache}
        logits, *present = session.run(None, given)
        cache.update(zip(cache, present, strict=True))
        rows: npt.NDArray[np.float32] = np.asarray(logits)[0]
        return rows

    return config, read


def answer(folder: Path, question: str) -> str:
    """What the model in `folder` says to `question`, always taking the likeliest token.

    Raises:
        UsageError: the question fills the model's context.
    """
    config, read = reader(folder)
    asked = prompt(question)
    if len(asked) >= config.context:
        raise UsageError(f"the question has {len(asked)} tokens, the model reads {config.context}")
    tokens = asked
    said: list[int] = []
    position = 0
    while len(asked) + len(said) < config.context:
        token = int(read(tokens, position)[-1].argmax())
        if token == END:
            break
        position += len(tokens)
        said.append(token)
        tokens = [token]
    return bytes(each for each in said if each < BYTES).decode(errors="replace")


def main() -> None:
    """Print the answer to one question."""
    parser = argparse.ArgumentParser(description="Ask an exported model.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("question")
    asked = parser.parse_args()
    print(answer(asked.folder, asked.question))


if __name__ == "__main__":
    main()
