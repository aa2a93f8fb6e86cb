r"""The folder that training hands on: everything that an engine is built from.

| file | what |
|---|---|
| config.json | the shape of the model, see `config.ModelConfig` |
| model.safetensors | float32 weights by name, see `config.shapes` |
| model.onnx | the same as a graph with a key-value cache, see `graph` |
| tokenizer.json | `type` bytes; `special_tokens`, spelling to number |
| chat_template.jinja | `messages` (user, assistant) and `add_generation_prompt` to a prompt |
| generation_config.json | what a request that does not say gets, in the usual names |
| evaluation.txt | held-out text: one `<user>question<assistant>answer<end>` a line |
| training.json | job and data by digest, steps, loss, perplexity |

`perplexity` is over all tokens of evaluation.txt after each line's first, as the quality gate
measures it; `answer_perplexity` only over answers and ends. Nothing in the folder depends on the
clock or the machine's name: the same weights give the same bytes.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from safetensors.numpy import save

from examples.tiny_lm.config import CONFIG_FILE, END, SPECIAL, ModelConfig
from examples.tiny_lm.data import Pair
from examples.tiny_lm.graph import build

WEIGHTS_FILE = "model.safetensors"
GRAPH_FILE = "model.onnx"
TRAINING_FILE = "training.json"
EVALUATION_FILE = "evaluation.txt"
MAX_NEW_TOKENS = 128
"""Longer than any answer of the corpus."""

CHAT_TEMPLATE = """\
{#- A system message has no place in this model's training and is left out. -#}
{%- for message in messages -%}
{%- if message.role == "user" -%}
<user>{{ message.content }}
{%- elif message.role == "assistant" -%}
<assistant>{{ message.content }}<end>
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
<assistant>
{%- endif -%}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Where a model comes from, and how good it is. Losses in nats."""

    job_digest: str
    data_digest: str
    parameters: int
    steps: int
    loss: float
    perplexity: float
    answer_perplexity: float

    @classmethod
    def read(cls, folder: Path) -> Training | None:
        """What `folder` says, or None where there is no whole export."""
        try:
            return cls(**json.loads((folder / TRAINING_FILE).read_text()))
        except (OSError, ValueError, TypeError):
            return None


def export(
    folder: Path,
    *,
    config: ModelConfig,
    weights: dict[str, npt.NDArray[np.float32]],
    held_out: tuple[Pair, ...],
    training: Training,
) -> None:
    """Write the folder, or replace it: it is whole or not there at all."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    (part / CONFIG_FILE).write_text(config.to_json())
    (part / WEIGHTS_FILE).write_bytes(save(weights, metadata={"format": "np"}))
    ir.save(build(config, weights), part / GRAPH_FILE)
    _write_json(part / "tokenizer.json", {"type": "bytes", "special_tokens": SPECIAL})
    (part / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    _write_json(part / "generation_config.json", _generation())
    (part / EVALUATION_FILE).write_text(
        "".join(f"<user>{pair.question}<assistant>{pair.answer}<end>\n" for pair in held_out)
    )
    _write_json(part / TRAINING_FILE, asdict(training))
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def _generation() -> dict[str, object]:
    return {
        "do_sample": False,
        "temperature": 0.0,
        "top_p": 1.0,
        "eos_token_id": [END],
        "max_new_tokens": MAX_NEW_TOKENS,
    }


def _write_json(path: Path, value: dict[str, object]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
