"""What a build lost, as the manifest has it: one form for each kind of engine.

All compare the engine with the float32 model that it was built from.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from landfall.model.parsing import Written


class Gate(Written):
    """Of text generation: what it makes of held-out text, and the bound.

    `metric` is perplexity, or of a server that does not tell it the share of next words that it
    finds.
    """

    metric: Literal["perplexity", "next_word"]
    reference: float
    engine: float
    ratio: float
    max_ratio: float

    @property
    def figures(self) -> dict[str, float]:
        """What was measured and the bound, by name."""
        return self.model_dump(include={"reference", "engine", "ratio", "max_ratio"})

    @property
    def summary(self) -> str:
        """In a few words."""
        return (
            f"{self.metric} {self.engine:.4f}, {self.ratio:.4f} of float32"
            f" (bound {self.max_ratio:.2f})"
        )


class Likeness(Written):
    """Of an encoder: its vectors beside those of the float32 model.

    Attributes:
        data: the file of the model that the texts are from.
        texts: how many.
        cosine: of the text whose two vectors differ most; `mean_cosine` of all of them.
        neighbours: share of texts whose nearest neighbour is the same.
    """

    metric: Literal["cosine"] = "cosine"
    data: str
    texts: int
    cosine: float
    mean_cosine: float
    neighbours: float
    min_cosine: float
    min_neighbours: float

    @property
    def figures(self) -> dict[str, float]:
        """What was measured and the bounds, by name."""
        return self.model_dump(exclude={"metric", "data"})

    @property
    def summary(self) -> str:
        """In a few words."""
        return (
            f"cosine to float32 at least {self.cosine:.4f} (bound {self.min_cosine:g}),"
            f" {self.neighbours:.1%} keep their neighbour (bound {self.min_neighbours:.0%})"
        )


class OutputDifference(Written):
    """One output of a graph beside that of the float32 model.

    Attributes:
        name: of the output.
        absolute: the largest difference; None where the values are no measures.
        relative: the same, divided by the largest number of the float32 model's output.
        equal: share of values that are the same, to the bit.
    """

    name: str
    absolute: float | None = None
    relative: float | None = None
    equal: float


class Difference(Written):
    """Of a graph: its outputs beside those of the float32 model.

    Attributes:
        data: the file of the model that the inputs are from; empty where they were drawn.
        seed: of drawn inputs; None where they travelled with the model.
        cases: how many.
        outputs: each output, over all cases.
    """

    metric: Literal["difference"] = "difference"
    data: str
    seed: int | None = None
    cases: int
    outputs: tuple[OutputDifference, ...]
    max_relative: float
    max_absolute: float | None = None
    min_equal: float

    @property
    def figures(self) -> dict[str, float]:
        """What was measured and the bounds, by name."""
        found = self.model_dump(
            include={"cases", "max_relative", "max_absolute", "min_equal"}, exclude_none=True
        )
        for each in self.outputs:
            told = each.model_dump(exclude={"name"}, exclude_none=True)
            found |= {f"{each.name}.{word}": value for word, value in told.items()}
        return found

    @property
    def told(self) -> str:
        """Where the inputs are from."""
        if self.data:
            return f"{self.cases} inputs of {self.data}"
        return f"{self.cases} random inputs, seed {self.seed}: none travel with the model"

    @property
    def summary(self) -> str:
        """In a few words."""
        words = [
            f"{each.name} off by {each.relative:.2%} at most (bound {self.max_relative:.2%})"
            if each.relative is not None
            else f"{each.name} {each.equal:.1%} equal (bound {self.min_equal:.0%})"
            for each in self.outputs
        ]
        return f"{', '.join(words)}; {self.told}"


Quality = Annotated[Gate | Likeness | Difference, Field(discriminator="metric")]
