"""Quality of a graph: its outputs beside those of the float32 model, on inputs that travel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import source
from engines.bounds import GraphGate
from engines.gate import arrays, graph
from engines.graph import Array, Tensor
from landfall.errors import GateFailed, InvalidInput

GATE = GraphGate()
Y = np.array([[1.0, -4.0], [0.0, 2.0]], np.float32)
CLASSES = np.arange(200)


def judged(before: Any, after: Any, gate: GraphGate = GATE) -> Any:
    found = graph.compare(["y"], reference=[[before]], engine=[[after]])
    graph.judge(gate, found)
    return found[0]


def test_differences_are_of_the_largest_number() -> None:
    found = judged(Y, Y + np.float32(0.04))
    assert (found.absolute, found.relative) == pytest.approx((0.04, 0.01), rel=1e-5)
    assert judged(Y, Y).equal == 1.0


def off(at: tuple[int, int], value: float) -> Any:
    other = Y.copy()
    other[at] = value
    return other


NAN = np.array([np.nan, 1.0])
BAD: dict[str, tuple[Any, Any, GraphGate, str]] = {
    "one number": (Y, off((0, 0), 1.2), GATE, r"y: off by 5\.00%, bound 2\.00%"),
    "in its own unit": (Y, off((0, 0), 1.0625), GraphGate(max_absolute=0.06), "y: off by 0.0625"),
    "another shape": (Y, Y[:1], GATE, "y has another shape"),
    "no number": (Y, off((0, 0), np.nan), GATE, "y is finite in only one of"),
    "without bound": (Y, off((0, 0), np.inf), GATE, "y is finite in only one of"),
    "a number for none": (NAN, np.array([1.0, 1.0]), GATE, "y is finite in only one of"),
    "infinite, the other way": (
        np.array([np.inf, 1.0]), np.array([-np.inf, 1.0]), GATE, "y is finite in only one of",
    ),
    "from nothing": (np.zeros(4), np.full(4, 1e-9), GATE, r"y: off by 100\.00%"),
    "classes": (CLASSES, np.where(CLASSES < 3, 7, CLASSES), GATE, r"y: 98\.5% equal, bound 99\.0%"),
    "truth": (np.array([True, False]), np.array([True, True]), GATE, r"y: 50\.0% equal"),
    "words": (np.array(["a"], object), np.array(["b"], object), GATE, r"y: 0\.0% equal"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_worse_fails(case: str) -> None:
    before, after, gate, says = BAD[case]
    with pytest.raises(GateFailed, match=says):
        judged(before, after, gate)
    judged(before if before is not NAN else NAN.copy(), before, gate)  # beside itself it passes


def test_few_classes_on_the_edge_may_change() -> None:
    assert judged(CLASSES, np.where(CLASSES < 2, 7, CLASSES)).equal == 0.99


def test_a_model_without_finite_numbers_measures_nothing() -> None:
    with pytest.raises(InvalidInput, match="no finite number"):
        judged(np.full(3, np.nan), np.full(3, np.nan))


@given(st.floats(0, 0.1), st.floats(0, 0.1))
def test_the_more_it_is_off_the_less_it_passes(one: float, more: float) -> None:
    before = np.array([1.0, 0.5])

    def passes(by: float) -> bool:
        try:
            judged(before, before + by)
        except GateFailed:
            return False
        return True

    assert passes(one) or not passes(one + more)


class Numbers:
    """A graph of one input and what `make` says of it."""

    inputs: tuple[Tensor, ...] = (Tensor(name="x", dtype="float32", shape=(None, 2)),)
    outputs: tuple[Tensor, ...] = (Tensor(name="y", dtype="float32", shape=(None,)),)

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        return [np.asarray(self._make(inputs["x"]), np.float32)]


CASES = list(arrays.drawn(Numbers.inputs))


def test_a_graph_that_differs_from_itself() -> None:
    calls: list[int] = []

    def restless(x: Any) -> Any:
        calls.append(1)
        return x.sum(-1) + len(calls)

    engine = Numbers(restless)
    once = graph.run(engine, CASES, travelled=False)
    with pytest.raises(GateFailed, match="case 0 was run twice, and y differs"):
        graph.determinism(engine, CASES, once)
    steady = Numbers(
        lambda x: np.where(x > 0, x, np.nan).sum(-1)
    )  # what is not a number is the same each time
    found = graph.determinism(steady, CASES, graph.run(steady, CASES, travelled=False))
    assert found.figures == {"cases": 16.0, "outputs": 1.0}


def refuses_one_row(x: Any) -> Any:
    if len(x) == 1:
        raise ValueError("not a single row")
    return x.sum(-1)


def test_a_graph_that_no_server_could_start() -> None:
    engine = Numbers(refuses_one_row)
    once = graph.run(engine, CASES, travelled=False)
    with pytest.raises(GateFailed, match="does not take zeros, so no server gets ready"):
        graph.determinism(engine, CASES, once)


def test_a_graph_that_takes_no_drawn_input_asks_for_its_own() -> None:
    engine = Numbers(lambda _: refuses_one_row(np.zeros((1, 2))))
    with pytest.raises(InvalidInput, match="is missing, and the graph does not take random"):
        graph.run(engine, CASES, travelled=False)
    with pytest.raises(InvalidInput, match="the graph does not take these inputs"):
        graph.run(engine, CASES, travelled=True)


INPUTS = (
    Tensor(name="x", dtype="float32", shape=(None, 2)),
    Tensor(name="word", dtype="object", shape=(None,)),
)
X, WORD = np.ones((3, 2), np.float32), np.array(["a", "bc", ""])


def test_inputs_that_travel_with_a_model(tmp_path: Path) -> None:
    told: dict[str, Any] = {"0/x": X, "0/word": WORD, "b/x": X[:1], "b/word": WORD[:1]}
    np.savez(tmp_path / source.EVALUATION_ARRAYS, **told)
    found, travelled = arrays.cases(tmp_path, INPUTS)
    assert (travelled, [len(each["x"]) for each in found]) == (True, [3, 1])
    assert found[0]["word"].dtype == object
    assert found[0]["word"].tolist() == ["a", "bc", ""]


def test_inputs_that_are_drawn_are_the_same_each_time(tmp_path: Path) -> None:
    found, travelled = arrays.cases(tmp_path, INPUTS)
    again, _ = arrays.cases(tmp_path, INPUTS)
    assert (travelled, len(found), found[0]["x"].shape) == (False, arrays.DRAWN, (3, 2))
    assert all(
        np.array_equal(one["x"], other["x"]) for one, other in zip(found, again, strict=True)
    )
    assert not np.array_equal(found[0]["x"], found[1]["x"])


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "must hold 1 to 1024 cases"),
    "one is missing": ({"0/x": X}, "0/word: is missing"),
    "one too many": ({"0/x": X, "0/word": WORD, "0/z": X}, "0/z: is no input; there are x, word"),
    "another type": (
        {"0/x": X.astype(np.float64), "0/word": WORD},
        r"0/x: must be float32 \[-1, 2\], not float64 \[3, 2\]",
    ),
    "another shape": ({"0/x": X.T, "0/word": WORD}, r"must be float32 \[-1, 2\], not float32 \[2,"),
    "without a case": ({"x": X, "word": WORD}, "x/: is no input"),
}


@pytest.mark.parametrize("case", WRONG)
def test_inputs_that_do_not_fit(tmp_path: Path, case: str) -> None:
    given_, says = WRONG[case]
    np.savez(tmp_path / source.EVALUATION_ARRAYS, **given_)
    with pytest.raises(InvalidInput, match=says):
        arrays.cases(tmp_path, INPUTS)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text", b"\x93NUMPY"])
def test_what_holds_no_arrays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / source.EVALUATION_ARRAYS).write_bytes(content)
    with pytest.raises(InvalidInput):
        arrays.cases(tmp_path, INPUTS)


PICKLED: dict[str, Any] = {"0/x": np.array([print], object)}


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    np.savez(tmp_path / source.EVALUATION_ARRAYS, **PICKLED)
    with pytest.raises(InvalidInput, match="no arrays"):
        arrays.cases(tmp_path, INPUTS)
