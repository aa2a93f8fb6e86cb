"""Embeddings and plain graphs: tiny ones, real ONNX Runtime, through the whole application."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from engines import manifest, sign, source
from engines.serve import app, kinds
from engines.serve.graphs import GraphService
from engines.serve.lifecycle import Limits
from engines.serve.load import Verified, verify
from landfall.errors import IntegrityError, Refused

pytestmark = pytest.mark.slow

WIDTH = 4
RANDOM = np.random.default_rng(1)
TABLE = RANDOM.standard_normal((259, WIDTH)).astype(np.float32)
WEIGHTS = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


def save(folder: Path, build: Callable[[Any, Any], tuple[list[Any], list[Any]]]) -> Path:
    """Save the graph that `build` makes from onnx_ir and a tape, as an engine's folder has it."""
    import onnx_ir as ir
    from onnx_ir.tape import Tape

    tape = Tape()
    inputs, outputs = build(ir, tape)
    graph = ir.Graph(
        inputs, outputs, nodes=tape.nodes, initializers=tape.initializers, name="g",
        opset_imports={"": 23},
    )  # fmt: skip
    folder.mkdir()
    ir.save(ir.Model(graph, ir_version=11), folder / source.GRAPH)
    return folder


def value(ir: Any, name: str, dtype: str, shape: list[Any]) -> Any:
    return ir.Value(name=name, type=ir.TensorType(ir.DataType[dtype]), shape=ir.Shape(shape))


def named(output: Any, like: Any) -> Any:
    output.name, output.type, output.shape = like.name, like.type, like.shape
    return output


def per_token(ir: Any, tape: Any) -> Any:
    ids, mask = (value(ir, name, "INT64", ["B", "S"]) for name in ("input_ids", "attention_mask"))
    table = tape.initializer(ir.tensor(TABLE, name="table"))
    found = tape.op("Gather", [table, ids])
    return [ids, mask], [named(found, value(ir, "last_hidden_state", "FLOAT", ["B", "S", WIDTH]))]


def per_text(ir: Any, tape: Any) -> Any:
    """The sum over the tokens, whatever the mask: only for texts of one length."""
    [ids, _], [tokens] = per_token(ir, tape)
    axes = tape.initializer(ir.tensor(np.array([1], np.int64), name="axes"))
    found = tape.op("ReduceSum", [tokens, axes], attributes={"keepdims": 0})
    return [ids], [tokens, named(found, value(ir, "sentence_embedding", "FLOAT", ["B", WIDTH]))]


def matmul(ir: Any, tape: Any) -> Any:
    x = value(ir, "x", "FLOAT", ["N", 2])
    found = tape.op("MatMul", [x, tape.initializer(ir.tensor(WEIGHTS, name="w"))])
    twice = tape.op("Log", [found])
    return [x], [
        named(found, value(ir, "y", "FLOAT", ["N", 3])),
        named(twice, value(ir, "log", "FLOAT", ["N", 3])),
    ]


Serve = Callable[..., GraphService]


@pytest.fixture
def served(signed: Any, tmp_path: Path) -> Iterator[Serve]:
    made = []

    def make(kind: str, build: Any, **limits: Any) -> GraphService:
        folder = save(tmp_path / "engine", build)
        (folder / "tokenizer.json").write_bytes((signed.engine / "tokenizer.json").read_bytes())
        about = manifest.read(signed.engine).predicate.model_copy(update={"kind": kind})
        service = kinds.open_engine(
            "tiny", Verified(folder=folder, about=about), Limits(**limits), threads=1, slots=2,
            kept=0,
        )  # fmt: skip
        assert isinstance(service, GraphService)
        made.append(service)
        return service

    yield make
    for service in made:
        service.stop()


Work = Callable[[httpx.AsyncClient], Awaitable[Any]]


def using(service: GraphService, work: Work) -> Any:
    async def run() -> Any:
        await service.start()
        transport = httpx.ASGITransport(app=app.create(service), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await work(client)

    return asyncio.run(asyncio.wait_for(run(), 30))


def post(service: GraphService, path: str, **body: Any) -> httpx.Response:
    found = using(service, lambda client: client.post(path, json=body))
    assert isinstance(found, httpx.Response)
    return found


def embed(service: GraphService, text: Any, **more: Any) -> httpx.Response:
    return post(service, "/v1/embeddings", model="tiny", input=text, **more)


def unit(vector: Any) -> Any:
    return vector / np.linalg.norm(vector)


def test_texts_of_any_length_are_pooled_over_their_own_tokens(served: Serve) -> None:
    texts = ["a", "a much longer one", "abc"]  # more than one batch of two
    answer = embed(served("embedding", per_token), texts).json()
    wanted = [unit(TABLE[list(text.encode())].mean(0)) for text in texts]
    found = [each["embedding"] for each in answer["data"]]
    assert np.allclose(found, wanted, atol=1e-6)
    assert [each["index"] for each in answer["data"]] == [0, 1, 2]
    tokens = sum(map(len, texts))
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_a_graph_that_pools_is_taken_at_its_word(served: Serve) -> None:
    [found] = embed(served("embedding", per_text), [[97, 98, 258]]).json()["data"]
    assert np.allclose(found["embedding"], unit(TABLE[[97, 98, 258]].sum(0)), atol=1e-6)


def test_fewer_dimensions_and_base64(served: Serve) -> None:
    answer = embed(served("embedding", per_token), "ab", dimensions=2, encoding_format="base64")
    content = base64.b64decode(answer.json()["data"][0]["embedding"])
    wanted = unit(TABLE[list(b"ab")].mean(0)[:2])
    assert np.allclose(np.frombuffer(content, "<f4"), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"input": ""}, 400, "input.0: the text is empty"),
        ({"input": ["a", "x" * 129]}, 400, "input.1: has 129 tokens; the engine holds 128"),
        ({"input": [[5, 259]]}, 400, "input.0: token ids must be from 0 to 258"),
        ({"input": [5, -1]}, 400, "input.0: token ids must be from 0 to 258"),
        ({"input": ["a"] * 257}, 400, "at most 256 texts, not 257"),
        ({"input": "a", "dimensions": 5}, 400, "the model's vectors have 4 dimensions, not 5"),
        ({"input": "a", "dimension": 2}, 400, "dimension: unknown key"),
        ({"input": []}, 400, "input"),
        ({"input": "a", "model": "x"}, 404, "the model 'x' is not served here; 'tiny' is"),
    ],
)
def test_embeddings_refuse(served: Serve, body: dict[str, Any], status: int, says: str) -> None:
    answer = post(served("embedding", per_token), "/v1/embeddings", **{"model": "tiny", **body})
    assert answer.status_code == status
    assert says in answer.json()["error"]["message"]


def test_vectors_that_are_no_numbers_are_an_error(served: Serve) -> None:
    def build(ir: Any, tape: Any) -> Any:
        ids = value(ir, "input_ids", "INT64", ["B", "S"])
        table = np.where(np.arange(259)[:, None] > 0, TABLE, 1.0)  # 0 is what the start embeds
        tokens = tape.op("Gather", [tape.initializer(ir.tensor(table, name="table")), ids])
        found = tape.op("Log", [tokens])  # of negative numbers too
        return [ids], [named(found, value(ir, "last_hidden_state", "FLOAT", ["B", "S", WIDTH]))]

    answer = embed(served("embedding", build), "a text with many signs")
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
    assert "not finite" in answer.json()["error"]["message"]


def test_what_does_not_embed_is_refused(served: Serve) -> None:
    with pytest.raises(IntegrityError, match="an embedding takes input_ids"):
        served("embedding", matmul)


def infer(service: GraphService, *inputs: Any, **more: Any) -> httpx.Response:
    return post(service, "/v2/models/tiny/infer", inputs=list(inputs), **more)


def x(data: Any, shape: Any = (2, 2), datatype: str = "FP32", name: str = "x") -> Any:
    return {"name": name, "shape": list(shape), "datatype": datatype, "data": data}


@pytest.mark.parametrize("data", [[1, 0, 0, 1.0], [[1, 0], [0, 1]]])
def test_arrays_in_and_out(served: Serve, data: Any) -> None:
    answer = infer(served("onnx_graph", matmul), x(data), id="7", outputs=[{"name": "y"}]).json()
    output = {"name": "y", "datatype": "FP32", "shape": [2, 3], "data": WEIGHTS.ravel().tolist()}
    assert answer == {
        "id": "7", "model_name": "tiny", "model_version": "3", "outputs": [output],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "more", "says"),
    [
        ([x([1] * 4, name="z")], {}, "inputs.0.name: there is no 'z'; there are: x"),
        ([x([1] * 4, name="z")], {}, "inputs: 'x' is missing"),
        ([x([1] * 4), x([1] * 4)], {}, "inputs.1.name: 'x' was given before"),
        ([x([1] * 4, datatype="INT64")], {}, "inputs.0.datatype: must be FP32"),
        ([x([1] * 6, (2, 3))], {}, "inputs.0.shape: must be [-1, 2], not [2, 3]"),
        ([x([1] * 3)], {}, "inputs.0.data: [2, 2] has 4 values, not 3"),
        ([x([1, 2, 3, "secret"])], {}, "inputs.0.data: not all are values of FP32"),
        ([x([1, 2, 3, True])], {}, "inputs.0.data: not all are values of FP32"),
        ([x([1] * 4)], {"outputs": [{"name": "q"}]}, "outputs.0.name: there is no 'q'"),
        ([x([1] * 4)], {"parameters": {}}, "parameters: unknown key"),
    ],
)
def test_arrays_that_do_not_fit(
    served: Serve, inputs: list[Any], more: dict[str, Any], says: str
) -> None:
    answer = infer(served("onnx_graph", matmul), *inputs, **more)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert "secret" not in answer.text


def test_outputs_that_are_no_numbers_are_an_error(served: Serve) -> None:
    service = served("onnx_graph", matmul)
    answer = infer(service, x([-1, 0, 0, 1]))
    assert (answer.status_code, answer.json()) == (
        500, {"error": "log: the model's numbers are not finite"},
    )  # fmt: skip
    assert infer(service, x([-1, 0, 0, 1]), outputs=[{"name": "y"}]).status_code == 200


def test_what_the_protocol_tells(served: Serve) -> None:
    service = served("onnx_graph", matmul)

    async def work(client: httpx.AsyncClient) -> Any:
        paths = (
            "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/tiny",
            "/v2/models/tiny/ready", "/v2/models/tiny/versions/3", "/v2/models/tiny/versions/4",
            "/v2/models/other",
            "/v1/embeddings", "/health/ready", "/v1/models",
        )  # fmt: skip
        return {path: await client.get(path) for path in paths}

    found = using(service, work)
    codes = {path: answer.status_code for path, answer in found.items()}
    refused = ("/v2/models/tiny/versions/4", "/v2/models/other", "/v1/embeddings")
    assert codes == {path: 404 if path in refused else 200 for path in codes}
    told = found["/v2/models/tiny"].json()
    assert (told["name"], told["versions"]) == ("tiny", ["3"])
    assert told["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
    assert [each["name"] for each in told["outputs"]] == ["y", "log"]
    assert found["/v2/models/tiny/ready"].json() == {"name": "tiny", "ready": True}


def test_a_graph_that_hangs(served: Serve) -> None:
    service = served("onnx_graph", matmul, max_queue=1, hung_after_s=0.5, stalled_after_s=0.2)
    gate, run = threading.Event(), service.graph.run

    async def work(client: httpx.AsyncClient) -> None:
        service.graph.run = lambda *words: gate.wait() and run(*words)  # type: ignore[assignment]
        body = {"inputs": [x([1] * 4)]}
        asking = [
            asyncio.create_task(client.post("/v2/models/tiny/infer", json=body)) for _ in range(4)
        ]
        async with asyncio.timeout(10):
            while not service.not_live():
                await asyncio.sleep(0.01)
        ready = await client.get("/health/ready")
        assert (ready.status_code, service.worker.waiting) == (503, 1)
        service.abandon()
        codes = sorted([(await each).status_code for each in asking])
        assert codes == [429, 429, 500, 500]

    using(service, work)
    gate.set()


def test_a_graph_that_fails_its_first_run_is_never_ready(served: Serve) -> None:
    def build(ir: Any, tape: Any) -> Any:
        ids = value(ir, "x", "INT64", ["N"])
        table = tape.initializer(ir.tensor(TABLE[:0], name="table"))  # nothing to gather from
        return [ids], [named(tape.op("Gather", [table, ids]), value(ir, "y", "FLOAT", ["N", 4]))]

    service = served("onnx_graph", build)
    with pytest.raises(Exception, match="the first answer failed"):
        using(service, lambda client: client.get("/health/ready"))
    assert "the engine failed" in service.not_live()


def test_requests_are_measured(served: Serve) -> None:
    service = served("embedding", per_token)
    embed(service, "abc")
    embed(service, "")
    text = service.metrics.text().decode()
    lines = [line for line in text.splitlines() if "embeddings" in line]
    for start in (
        "gen_ai_server_request_duration_seconds_count", "gen_ai_client_token_usage_count",
    ):  # fmt: skip
        assert any(line.startswith(start) for line in lines)
    assert any('error_type="400"' in line for line in lines)
    assert not any('gen_ai_token_type="output"' in line for line in lines)


def test_a_graph_that_fails_later_is_an_error_and_counted(served: Serve) -> None:
    service = served("embedding", per_token)

    def fail(*_: Any) -> Any:
        raise ValueError("secret")

    async def work(client: httpx.AsyncClient) -> httpx.Response:
        service.graph.run = fail  # type: ignore[method-assign,assignment]
        return await client.post("/v1/embeddings", json={"model": "tiny", "input": "a"})

    answer = using(service, work)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert 'error_type="500"' in service.metrics.text().decode()


def test_an_unknown_kind_is_refused(served: Serve) -> None:
    with pytest.raises(Refused, match="of kind 'speech'"):
        served("speech", matmul)


def test_a_signed_folder_of_another_kind_is_verified_too(signed: Any, tmp_path: Path) -> None:
    folder = save(tmp_path / "engine", matmul)
    about = manifest.read(signed.engine).predicate.model_copy(update={"kind": "onnx_graph"})
    manifest.write(folder, about)
    sign.sign(folder, tmp_path / "engine.sig", signed.private_key)
    words: Any = {"signature": tmp_path / "engine.sig", "public_key": signed.public_key}
    assert verify(folder, **words).about.kind == "onnx_graph"
    (folder / "more").write_text("x")
    with pytest.raises(IntegrityError):
        verify(folder, **words)
