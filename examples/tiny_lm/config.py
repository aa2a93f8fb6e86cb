"""The shape of the model, its tokens and its weights. No dependencies: hosts read it too."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import prod

from landfall.errors import InvalidInput, Problem

ARCHITECTURE = "tiny-lm"
"""What `config.json` calls this kind of model."""

CONFIG_FILE = "config.json"

BYTES = 256
END = 256
"""Token that ends a text. Generation stops here."""
USER = 257
"""Token that opens what the user says."""
ASSISTANT = 258
"""Token that opens what the model says. Text: `<user>question<assistant>answer<end>`."""
SPECIAL = {"<end>": END, "<user>": USER, "<assistant>": ASSISTANT}
"""The tokens that are not bytes, as they are spelled in a chat template."""

VOCABULARY = BYTES + len(SPECIAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A decoder-only transformer over bytes: learned positions, RMSNorm, GELU, tied output.

    `context` is the longest text in tokens, prompt and answer together.

    Raises:
        InvalidInput: the sizes are not positive, or the heads do not divide the width.
    """

    layers: int = 3
    heads: int = 4
    width: int = 128
    context: int = 256
    vocabulary: int = VOCABULARY

    def __post_init__(self) -> None:
        problems = [
            Problem(path=name, message=f"must be a whole number of at least 1, is {size!r}")
            for name, size in asdict(self).items()
            if not isinstance(size, int) or isinstance(size, bool) or size < 1
        ]
        if not problems and self.width % self.heads:
            wrong = f"{self.heads} does not divide the width {self.width}"
            problems.append(Problem(path="heads", message=wrong))
        if problems:
            raise InvalidInput(CONFIG_FILE, problems)

    @property
    def head_dim(self) -> int:
        """Numbers per head."""
        return self.width // self.heads

    @property
    def parameters(self) -> int:
        """How many numbers are trained (the output shares the embedding's)."""
        return sum(prod(shape) for shape in shapes(self).values())

    def to_json(self) -> str:
        """The text of `config.json`."""
        sizes = {"architecture": ARCHITECTURE, **asdict(self), "head_dim": self.head_dim}
        return json.dumps(sizes, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """Read `config.json`.

        Raises:
            InvalidInput: it is no JSON object, is of another architecture, or a key is missing,
                unknown or contradicts the others.
        """
        try:
            found = json.loads(text)
        except ValueError as error:
            raise InvalidInput(CONFIG_FILE, [Problem(path="", message=f"{error}")]) from error
        if not isinstance(found, dict):
            raise InvalidInput(CONFIG_FILE, [Problem(path="", message="must be a JSON object")])
        sizes = asdict(cls())
        known = {"architecture", *sizes, "head_dim"}
        problems = [Problem(path=key, message="is missing") for key in sorted(known - set(found))]
        problems += [
            Problem(path=key, message="is not known") for key in sorted(set(found) - known)
        ]
        if found.get("architecture", ARCHITECTURE) != ARCHITECTURE:
            problems.append(Problem(path="architecture", message=f"must be {ARCHITECTURE!r}"))
        if problems:
            raise InvalidInput(CONFIG_FILE, problems)
        config = cls(**{key: found[key] for key in sizes})
        if found["head_dim"] != config.head_dim:
            wrong = f"must be width / heads = {config.head_dim}, is {found['head_dim']!r}"
            raise InvalidInput(CONFIG_FILE, [Problem(path="head_dim", message=wrong)])
        return config


def shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight. Matrices are [in, out]: a row vector times a matrix."""
    width = config.width
    found: dict[str, tuple[int, ...]] = {
        "embedding": (config.vocabulary, width),
        "positions": (config.context, width),
        "norm": (width,),
    }
    for layer in range(config.layers):
        found |= {
            f"layers.{layer}.attention_norm": (width,),
            f"layers.{layer}.qkv": (width, 3 * width),
            f"layers.{layer}.attention_out": (width, width),
            f"layers.{layer}.mlp_norm": (width,),
            f"layers.{layer}.up": (width, 4 * width),
            f"layers.{layer}.down": (4 * width, width),
        }
    return found
