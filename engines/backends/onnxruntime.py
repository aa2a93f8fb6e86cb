"""ONNX Runtime on a CPU: the embedded backend. All that we know of the tool is here.

The model is a graph with GroupQueryAttention over a key-value cache (inputs `ids`, `pos`,
`seqlens_k`, `total_len`, `past_k_0`...; outputs `logits`, `present_k_0`...). Past and present are
bound to the same memory, so a step reads and writes only the part of the cache in use.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.backends import Answer, Ids, Logits, Question, Step, Words, listed
from engines.graph import Array, Tensor
from engines.limits import KEPT_PROMPTS
from engines.needs import Need
from engines.source import EVALUATION, EVALUATION_ARRAYS, EVALUATION_TOKENS, GRAPH, WEIGHTS
from landfall.errors import IntegrityError, Problem, Refused

NAME = "onnxruntime"
PACKAGE = "onnxruntime"

SINCE, BEFORE = (1, 31), (1, 32)
"""The versions that our tests ran with; the contrib operators promise nothing beyond one."""

CONTAINED = False
MODES = ("cpu",)
CACHES = ("float32",)
BITS = {"int8": 8, "int4": 4}
PRECISIONS = ("float32", *BITS)
KINDS = ("text_generation", "embedding", "onnx_graph")
FORMS = {
    "text_generation": ("graph", "the model as a graph with a key-value cache beside its tokenizer,"
                        " as training exports it; for a Hugging Face folder take tensorrt_llm or"
                        " vllm, for an encoder kind: embedding, for a bare ONNX file kind:"
                        " onnx_graph"),
    "embedding": ("encoder", "an encoder: model.onnx beside config.json, tokenizer.json and"
                  " evaluation.txt"),
    "onnx_graph": ("onnx", "an ONNX file: model.onnx"),
}  # fmt: skip
"""The form of a model that an engine of a kind is made from, in words for whoever has another."""
TARGET = "cpu"

BLOCK = 32
"""Weights that share one scale."""
ACCURACY_LEVEL = 4
"""Activations as int8 per row: fast, and a row's numbers do not depend on its neighbours (a
dynamically quantised graph takes one scale over the whole batch, so they would)."""

COPIED = (
    "config.json", "tokenizer.json", "chat_template.jinja", "generation_config.json",
)  # fmt: skip
"""What serving needs beside the graph."""
KNOWN = {GRAPH, *COPIED, WEIGHTS, EVALUATION, EVALUATION_TOKENS, EVALUATION_ARRAYS}
"""Files of a model whose use is known; any other holds weights of the graph."""
DOMAINS = frozenset({"com.microsoft"})
"""Operators that ONNX Runtime itself has, beside ONNX's."""

WIDTHS = (8, 16, 32, 64)
PROVIDER = "CPUExecutionProvider"
FLOAT_BYTES = 4
DTYPES = {
    "tensor(bool)": "bool",
    "tensor(string)": "object",
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in WIDTHS},
}
"""NumPy's names for ONNX Runtime's types."""
QUIET = 3
"""ONNX Runtime's log level for errors."""


def problems(words: Words) -> list[Problem]:
    """What ONNX Runtime cannot do, with what would be right."""
    known = {"mode": MODES, "kind": KINDS, "precision": PRECISIONS, "kv_cache": CACHES}
    found = []
    for field, allowed in known.items():
        word = getattr(words, field)
        if word:
            found += listed(field, word, allowed, NAME)
    if words.target is not None and words.target != TARGET:
        message = f"{NAME} makes engines for {TARGET}, not for {words.target}"
        found.append(Problem(path="target", message=message))
    if words.version:
        message = f"leave it out: it is that of {PACKAGE} on the host, not {words.version}"
        found.append(Problem(path="version", message=message))
    return found


def version_problem(version: str | None) -> str:
    """Why this version of ONNX Runtime is not good enough, or nothing."""
    wanted = f"{'.'.join(map(str, SINCE))} or newer, older than {'.'.join(map(str, BEFORE))}"
    if version is None:
        return f"{PACKAGE} is not installed; needed is {wanted}"
    match = re.match(r"(\d+)\.(\d+)", version)
    if match is None or not SINCE <= (int(match[1]), int(match[2])) < BEFORE:
        return f"{PACKAGE} {version} is not one that engines were tested with; needed is {wanted}"
    return ""


def refusals(question: Question) -> Iterator[Problem]:
    """Why ONNX Runtime cannot make this engine."""
    spec, source = question.spec, question.source
    wrong = version_problem(question.version or None)
    if wrong:
        yield Problem(path="backend", message=wrong)
    wanted, told = FORMS[spec.kind]
    if source.form != wanted:
        yield Problem(path="model", message=f"kind {spec.kind} needs {told}")
    if spec.limits.max_sequence > source.context and source.form in {"graph", "encoder"}:
        yield Problem(
            path="limits.max_sequence",
            message=f"{source.name} reads at most {source.context} tokens,"
            f" not {spec.limits.max_sequence}",
        )
    if foreign := [each for each in source.operators if each not in spec.operators]:
        message = f"the graph has operators of {', '.join(foreign)}: declare them in `operators`"
        if not {*foreign} <= DOMAINS:
            message = (
                f"the graph has operators of {', '.join(foreign)}, and {NAME} has none but ONNX's"
                f" and those of {', '.join(DOMAINS)}; no library of others is loaded"
            )
        yield Problem(path="operators", message=message)
    for name, given in (
        ("container", spec.container), ("parallelism", spec.parallelism.gpus > 1),
        ("memory_fraction", spec.memory_fraction), ("draft", spec.draft),
        ("adapters", spec.adapters), ("timing_cache", spec.timing_cache),
        ("chat_template", spec.chat_template), ("generation", spec.generation.model_fields_set),
    ):  # fmt: skip
        if given:
            message = f"leave it out: {NAME} on a CPU has none, or takes the model's own"
            yield Problem(path=name, message=message)


def answer(question: Question) -> Answer:
    """The steps of a build in our own process."""
    spec, source = question.spec, question.source
    found = steps(spec.precision, kind=spec.kind, files=source.files)
    size = expected_bytes(spec.precision, source.weight_bytes)
    limits = spec.limits
    cache = (limits.max_batch + KEPT_PROMPTS) * limits.max_sequence * source.token_bytes
    rows = f"{limits.max_batch} + {KEPT_PROMPTS} rows of {limits.max_sequence} tokens"
    why = f"to serve: the graph, and a cache of {rows}, for requests and for prompts that are kept"
    if spec.kind != "text_generation":
        cache, why = source.weight_bytes, "the engine and, while it is built, the float32 model"
    need = Need(name="memory of the host", size=size + cache, why=f"{why}, at least")
    drawn = spec.kind == "onnx_graph" and EVALUATION_ARRAYS not in source.files
    told = f"{EVALUATION_ARRAYS} is not beside the graph: it is measured on random inputs"
    notes = (told,) if drawn else ()
    return Answer(steps=found, expected_bytes=size, notes=notes, needs=(need,) if cache else ())


def quantiser(precision: str, version: str) -> str:
    """The quantiser ships with ONNX Runtime, so its version is the same."""
    if precision not in BITS:
        return "none"
    return f"MatMulNBits {version} bits={BITS[precision]} block={BLOCK} accuracy={ACCURACY_LEVEL}"


def steps(precision: str, *, kind: str, files: Collection[str]) -> tuple[Step, ...]:
    """Make the graph, then copy what serving needs beside it: of `files`, those of the model."""
    outside = [each for each in sorted(files) if each not in KNOWN]
    if precision in BITS:
        settings = {"bits": BITS[precision], "block": BLOCK, "accuracy_level": ACCURACY_LEVEL}
        made = [Step(action="quantise", settings=settings)]
    else:
        made = [Step(action="copy", settings={"file": name}) for name in (GRAPH, *outside)]
    copied = COPIED if kind == "text_generation" else tuple(n for n in COPIED if n in files)
    return (*made, *(Step(action="copy", settings={"file": name}) for name in copied))


def expected_bytes(precision: str, float_bytes: int) -> int:
    """A lower bound: embeddings stay float32, since only constants of a MatMul are quantised."""
    if precision not in BITS:
        return float_bytes
    per_weight = BITS[precision] / 8 + FLOAT_BYTES / BLOCK
    return int(float_bytes * per_weight / FLOAT_BYTES)


def carry_out(step: Step, source: Path, target: Path) -> None:
    """Do one step of a build."""
    settings = step.settings
    match step.action:
        case "copy":
            shutil.copyfile(source / str(settings["file"]), target / str(settings["file"]))
        case "quantise":
            _quantise(source / GRAPH, target / GRAPH, settings)
        case other:
            raise IntegrityError(f"{NAME} knows no build step {other!r}: the plan is not ours")


def open(folder: Path, *, slots: int, room: int, threads: int) -> Session:
    """Load the graph in `folder` with a cache of `slots` rows of `room` tokens."""
    return Session(folder / GRAPH, slots=slots, room=room, threads=threads)


def open_graph(folder: Path, *, threads: int) -> Plain:
    """Load the graph in `folder` that has no cache: an embedding's, or any."""
    return Plain(folder / GRAPH, threads=threads)


def _quantise(source: Path, target: Path, settings: Any) -> None:
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import (
        DefaultWeightOnlyQuantConfig,
        MatMulNBitsQuantizer,
    )

    # It tells of every node, which buries our own progress.
    logging.getLogger(MatMulNBitsQuantizer.__module__).setLevel(logging.WARNING)
    recipe = DefaultWeightOnlyQuantConfig(
        block_size=int(settings["block"]),
        is_symmetric=True,
        accuracy_level=int(settings["accuracy_level"]),
        bits=int(settings["bits"]),
    )
    model = onnx.load(source, load_external_data=False)
    outside = any(map(onnx.external_data_helper.uses_external_data, model.graph.initializer))
    onnx.load_external_data_for_model(model, str(source.parent))
    work = MatMulNBitsQuantizer(model, algo_config=recipe)
    work.process()
    if not any(each.op_type == "MatMulNBits" for each in work.model.model.graph.node):
        raise Refused(
            f"{source.name} has no constant in a MatMul, and nothing else is quantised",
            hint="Take precision: float32.",
        )
    work.model.save_model_to_file(str(target), use_external_data_format=outside)


class Session:
    """A loaded graph and its cache: the `Runtime` of this backend."""

    def __init__(self, graph: Path, *, slots: int, room: int, threads: int) -> None:
        self._session = _load(graph, threads)
        self.slots = slots
        self.room = room
        shapes = {each.name: each.shape for each in self._session.get_inputs()}
        outputs = {each.name: each.shape for each in self._session.get_outputs()}
        self._layers = sorted(name.removeprefix("past_") for name in shapes if "past_" in name)
        if not self._layers or "logits" not in outputs:
            raise IntegrityError(f"{graph}: not a graph with a key-value cache")
        self.vocabulary = int(outputs["logits"][2])
        self._cache = {
            name: np.zeros(
                (slots, shapes[f"past_{name}"][1], room, shapes[f"past_{name}"][3]), np.float32
            )
            for name in self._layers
        }
        for cache in self._cache.values():
            cache.fill(0)  # memory is had now or not at all, not in the midst of an answer
        # Binding again at every step costs as much as a small model's step, so there is one
        # binding for each number of rows, all on the same memory.
        self._ids = np.zeros((slots, 1), np.int64)
        self._positions = np.zeros((slots, 1), np.int64)
        self._lengths = np.zeros(slots, np.int32)
        self._total = np.zeros((), np.int32)
        self._logits = np.zeros((slots, 1, self.vocabulary), np.float32)
        self._bindings: dict[int, Any] = {}

    def prefill(self, slot: int, ids: Ids, start: int) -> Logits:
        """Read `ids` into row `slot` from position `start` on."""
        end = start + len(ids)
        self._check(ids, end)
        logits = np.empty((1, len(ids), self.vocabulary), np.float32)
        positions = np.arange(start, end, dtype=np.int64)[None]
        binding = self._bind(
            rows=slice(slot, slot + 1),
            ids=np.ascontiguousarray(ids, np.int64)[None],
            positions=positions,
            lengths=np.array([end - 1], np.int32),
            total=np.array(end, np.int32),
            logits=logits,
        )
        self._session.run_with_iobinding(binding.bound)
        found: Logits = logits[0]
        return found

    def decode(self, ids: Ids, lengths: npt.NDArray[np.int32]) -> Logits:
        """One token for each of the first `len(ids)` rows."""
        rows = len(ids)
        longest = int(lengths.max()) + 1
        self._check(ids, longest)
        self._ids[:rows, 0] = ids
        self._positions[:rows, 0] = lengths
        self._lengths[:rows] = lengths
        self._total[()] = longest
        binding = self._bindings.get(rows)
        if binding is None:
            binding = self._bindings[rows] = self._bind(
                rows=slice(0, rows),
                ids=self._ids[:rows],
                positions=self._positions[:rows],
                lengths=self._lengths[:rows],
                total=self._total,
                logits=self._logits[:rows],
            )
        self._session.run_with_iobinding(binding.bound)
        return self._logits[:rows, 0]

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of row `source` to row `target`."""
        for cache in self._cache.values():
            cache[target, :, :length] = cache[source, :, :length]

    def _check(self, ids: Ids, end: int) -> None:
        # A negative id or position wraps around silently inside the graph.
        if ids.min() < 0 or ids.max() >= self.vocabulary:
            raise ValueError(f"token ids must be from 0 to {self.vocabulary - 1}")
        if end > self.room:
            raise ValueError(f"a row has room for {self.room} tokens, not {end}")

    def _bind(
        self,
        *,
        rows: slice,
        ids: Ids,
        positions: Ids,
        lengths: npt.NDArray[np.int32],
        total: npt.NDArray[np.int32],
        logits: Logits,
    ) -> _Binding:
        bound = self._session.io_binding()
        inputs: dict[str, npt.NDArray[Any]] = {
            "ids": ids,
            "pos": positions,
            "seqlens_k": lengths,
            "total_len": total,
        }
        for name, array in inputs.items():
            _point(bound.bind_input, name, array)
        for name in self._layers:
            _point(bound.bind_input, f"past_{name}", self._cache[name][rows])
            _point(bound.bind_output, f"present_{name}", self._cache[name][rows])
        _point(bound.bind_output, "logits", logits)
        return _Binding(bound, [*inputs.values(), logits])


class Plain:
    """A loaded graph without a cache: the `Graph` of this backend."""

    def __init__(self, graph: Path, *, threads: int) -> None:
        self._session = _load(graph, threads)
        self.inputs = tuple(_tensor(graph, each) for each in self._session.get_inputs())
        self.outputs = tuple(_tensor(graph, each) for each in self._session.get_outputs())

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """The named outputs."""
        try:
            found: list[Array] = self._session.run(list(outputs), dict(inputs))
        except Exception as error:  # onnxruntime has many classes and no common base
            raise ValueError(str(error).splitlines()[0]) from error
        return found


def _tensor(graph: Path, each: Any) -> Tensor:
    if each.type not in DTYPES:
        raise IntegrityError(f"{graph}: {each.name} is of type {each.type}, which is not served")
    shape = tuple(size if isinstance(size, int) else None for size in each.shape)
    return Tensor(name=each.name, dtype=DTYPES[each.type], shape=shape)


class _Binding:
    """A binding by address, with the arrays that must outlive it."""

    __slots__ = ("bound", "keep")

    def __init__(self, bound: Any, keep: list[npt.NDArray[Any]]) -> None:
        self.bound = bound
        self.keep = keep


def _point(bind: Callable[..., None], name: str, array: npt.NDArray[Any]) -> None:
    # Rows of the cache are contiguous because a row is its first axis.
    bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)


def _load(graph: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = QUIET
    # Threads that spin between steps take the processor from the rest of the server.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=[PROVIDER])
    except Exception as error:  # onnxruntime has many classes and no common base
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise IntegrityError(f"{graph}: ONNX Runtime cannot load it: {reason}") from error
