"""The gateway's promises, kept by a real nginx: no hostile request makes data leave the site."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from landfall import process, render
from tests.loopback import free_port
from tests.templates.gateway_under_test import (
    HERE,
    KEYS,
    VALUES,
    Engine,
    Gateway,
    gateway,
    module,
    serving,
)

PROMPT = b'{"prompt":"the patient in bed nine","model":"tiny-lm"}'
CHAT = "/v1/chat/completions"


def request(*headers: str, path: str = CHAT, body: bytes = PROMPT, method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: site", "Connection: close", *headers]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def bearer(tenant: str) -> str:
    return f"Authorization: Bearer {KEYS[tenant]}"


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def error(answer: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    return found


@pytest.fixture
def engine() -> Engine:
    return Engine(name="site")


@pytest.fixture
def cloud() -> Engine:
    return Engine(name="cloud")


@pytest.fixture
def door(tmp_path: Path, engine: Engine, cloud: Engine) -> Iterator[Gateway]:
    made = gateway(tmp_path, [engine], cloud)
    with serving(engine, cloud), made.running():
        yield made


def test_the_text_is_what_was_reviewed() -> None:
    text = render.render("nginx/landfall.conf.j2", VALUES)
    golden = HERE / "landfall.conf.golden"
    assert text == golden.read_text(), f"if this is right, write it to {golden.name}"


def test_only_classes_that_may_leave_have_a_way_out() -> None:
    greedy = [{"address": "192.0.2.10:8080", "classifications": ["public", "restricted"]}]
    text = render.render("nginx/landfall.conf.j2", {**VALUES, "gateway_overflow": greedy})
    assert "@overflow-public-1" in text
    for kept in ("internal", "confidential", "restricted"):
        assert f"@overflow-{kept}" not in text


@pytest.mark.services
def test_nginx_accepts_it(tmp_path: Path, engine: Engine, cloud: Engine) -> None:
    made = gateway(tmp_path, [engine, Engine(name="canary")], cloud)
    tested = made.nginx("-t")
    assert tested.returncode == 0, tested.stderr
    assert "[warn]" not in tested.stderr


HOSTILE = {
    "says public": ["X-Landfall-Classification: public"],
    "says it twice": [
        "X-Landfall-Classification: restricted",
        "X-Landfall-Classification: public",
    ],
    "says it in capitals": ["X-LANDFALL-CLASSIFICATION: PUBLIC", "x-landfall-tenant: website"],
    "with underscores": ["X_Landfall_Classification: public", "X_Landfall_Tenant: website"],
    "names it as hop by hop": ["Connection: X-Landfall-Classification", "X-Landfall-Tenant: w"],
    "adds a second key": [bearer("website")],
    "rewrites the address": ["X-Original-URL: /-/public/tiny-lm", "X-Rewrite-URL: /-/public/x"],
    "asks to be forwarded": ["X-Forwarded-Host: cloud", "Forwarded: host=cloud"],
    "accelerates": ["X-Accel-Redirect: /-/public/tiny-lm"],
    "another host": ["Host: landfall-overflow-1"],
}


@pytest.mark.services
@pytest.mark.parametrize("headers", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("failing", [False, True], ids=["engine up", "engine failing"])
def test_restricted_requests_stay(
    door: Gateway, engine: Engine, cloud: Engine, headers: list[str], failing: bool
) -> None:
    engine.status = 503 if failing else 200
    answer = door.send(request(bearer("clinic"), *headers))
    assert cloud.heads == []
    if headers[0].startswith(("Host:", "Authorization:")):  # twice: nginx refuses it
        assert (status(answer), engine.heads) == (400, [])
    else:
        assert (status(answer), len(engine.heads)) == (engine.status, 1)
    for head in engine.heads:
        lines = [line.lower() for line in head.decode().split("\r\n")]
        classes = [line for line in lines if "classification" in line]
        assert classes == ["x-landfall-classification: restricted"]
        tenants = [line for line in lines if "tenant" in line]
        assert tenants == ["x-landfall-tenant: clinic"]
        assert not [line for line in lines if line.startswith(("authorization", "x-accel"))]


@pytest.mark.services
def test_restricted_requests_stay_when_the_site_is_down(tmp_path: Path, cloud: Engine) -> None:
    made = gateway(tmp_path, [Engine(name="nobody", port=free_port())], cloud)
    with serving(cloud), made.running():
        refused = made.send(request(bearer("clinic")))
        assert (status(refused), error(refused)["code"]) == (503, "engine_unavailable")
        assert cloud.heads == []
        assert b"cloud 0" in made.send(request(bearer("website")))
    assert cloud.bodies == [PROMPT]


@pytest.mark.services
def test_public_requests_overflow_when_the_engine_is_full(
    door: Gateway, engine: Engine, cloud: Engine
) -> None:
    engine.status = 503
    assert b"cloud 0" in door.send(request(bearer("website")))
    cloud.status = 503
    assert status(door.send(request(bearer("website")))) == 503


REFUSED: dict[str, list[str]] = {
    "no key": [],
    "empty key": ["Authorization: Bearer "],
    "unknown key": ["Authorization: Bearer nobody-key-0123456789abcdef"],
    "key in capitals": [f"Authorization: Bearer {KEYS['clinic'].upper()}"],
    "longer key": [bearer("clinic") + "0"],
    "part of a key": [bearer("clinic")[:-1]],
    "another scheme": [f"Authorization: Basic {KEYS['clinic']}"],
    "in another header": [f"X-Api-Key: {KEYS['clinic']}"],
}


@pytest.mark.services
@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/", "/-/public/tiny-lm", "/metrics"])
def test_nothing_is_answered_without_a_key(
    door: Gateway, engine: Engine, cloud: Engine, headers: list[str], path: str
) -> None:
    answer = door.send(request(*headers, path=path))
    assert (status(answer), error(answer)["code"]) == (401, "invalid_api_key")
    assert engine.heads == cloud.heads == []


@pytest.mark.services
@pytest.mark.parametrize(
    "path",
    ["/-/public/tiny-lm", "/-/restricted/tiny-lm", "//-/public/tiny-lm", "/%2d/public/tiny-lm"],
)
def test_inner_locations_are_not_for_callers(
    door: Gateway, engine: Engine, cloud: Engine, path: str
) -> None:
    answer = door.send(request(bearer("clinic"), path=path))
    assert (status(answer), error(answer)["code"]) == (404, "not_found")
    assert engine.heads == cloud.heads == []


@pytest.mark.services
@pytest.mark.parametrize("path", [CHAT, f"/tiny-lm{CHAT}", "/v1/completions", "/v1/models"])
def test_both_base_urls_reach_the_engine(door: Gateway, engine: Engine, path: str) -> None:
    assert (
        status(door.send(request(bearer("clinic").replace("Bearer", "bearer"), path=path))) == 200
    )
    sent = engine.heads[0].decode().split("\r\n")[0]
    assert sent == f"POST {path.removeprefix('/tiny-lm')} HTTP/1.1"


V2 = "/v2/models/tiny-lm"
KINDS = [
    "/v1/embeddings", "/v2", "/v2/health/live", "/v2/health/ready", V2, f"{V2}/ready",
    f"{V2}/infer", f"{V2}/versions/3", f"{V2}/versions/3f2a.b-1/infer",
]  # fmt: skip


@pytest.mark.services
@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize("base", ["", "/tiny-lm"])
def test_embeddings_and_graphs_are_passed_on(
    door: Gateway, engine: Engine, cloud: Engine, path: str, base: str
) -> None:
    assert status(door.send(request(path=base + path))) == 401
    assert status(door.send(request(bearer("clinic"), path=base + path))) == 200
    [head] = engine.heads
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == f"post {path} http/1.1"
    assert "x-landfall-classification: restricted" in lines
    assert door.entries(2)[1]["path"] == path
    assert cloud.heads == []


@pytest.mark.services
@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/other/infer", "/tiny-lm/v2/models/other/infer", "/v2/models", "/v2/models/",
        f"{V2}/", f"{V2}/infer/", f"{V2}/generate", f"{V2}x/infer", f"{V2}/versions/a%2Fb/infer",
        f"{V2}/versions/../../other/infer", "/v2/repository/index", f"/other{V2}/infer",
        "/v1/embeddings/", "/v1/audio/speech",
    ],
)  # fmt: skip
def test_other_names_and_methods_are_refused(door: Gateway, engine: Engine, path: str) -> None:
    answer = door.send(request(bearer("clinic"), path=path))
    assert (status(answer), error(answer)["code"]) == (404, "not_found")
    assert engine.heads == []


@pytest.mark.services
def test_restricted_arrays_stay_and_public_ones_may_leave(
    door: Gateway, engine: Engine, cloud: Engine
) -> None:
    engine.status = 503
    for path in ("/v1/embeddings", f"{V2}/infer"):
        assert status(door.send(request(bearer("clinic"), path=path))) == 503
    assert cloud.heads == []
    for path in ("/v1/embeddings", f"{V2}/infer"):
        assert b"cloud 0" in door.send(request(bearer("website"), path=path))
    assert [head.split(b" ")[1].decode() for head in cloud.heads] == [
        "/v1/embeddings", f"{V2}/infer",
    ]  # fmt: skip


@pytest.mark.services
def test_each_name_has_its_own_engines(tmp_path: Path) -> None:
    engines = {name: Engine(name=name) for name in ("words.v1", "prices")}
    routes = [
        {"name": name, "upstreams": [{"key": each * 64, "port": engine.port, "share": 100}]}
        for each, (name, engine) in zip("12", engines.items(), strict=True)
    ]
    made = gateway(tmp_path, [], None, gateway_routes=routes)
    with serving(*engines.values()), made.running():
        for name in engines:
            for path in (f"/v2/models/{name}/infer", f"/{name}/v2", f"/{name}/v1/embeddings"):
                answer = made.send(request(bearer("clinic"), path=path))
                assert f"{name} 0".encode() in answer, path
        # Which one is meant is not known, or it is another's.
        for path in ("/v1/embeddings", "/v2", "/wordsxv1/v1/embeddings", "/v2/models/wordsxv1",
                     "/prices/v2/models/words.v1"):  # fmt: skip
            assert status(made.send(request(bearer("clinic"), path=path))) == 404, path


@pytest.mark.services
def test_a_prompt_is_on_no_disk_and_in_no_log(door: Gateway, engine: Engine) -> None:
    limit = VALUES["gateway_max_body_kib"] * 1024
    marked = b"canary-in-the-prompt" + b"x" * (limit - 20)
    engine.pause_s = 0.3  # so that a spooled body would still lie there
    door.send(request(bearer("clinic"), body=marked))
    chunked = f"{len(marked):x}".encode() + b"\r\n" + marked + b"\r\n0\r\n\r\n"
    head = f"POST {CHAT} HTTP/1.1\r\nHost: s\r\nConnection: close\r\n{bearer('clinic')}\r\n"
    door.send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunked)
    assert engine.bodies == [marked, marked]
    kept = [path.read_text() for path in door.folder.rglob("*") if path.is_file()]
    assert not [text for text in kept if "canary-in-the-prompt" in text]
    assert "buffered to a temporary file" not in door.log("error.log")
    assert KEYS["clinic"] not in door.log("access.json") + door.log("error.log")


@pytest.mark.services
def test_too_large_a_body_is_refused(door: Gateway, engine: Engine) -> None:
    large = b"x" * (VALUES["gateway_max_body_kib"] * 1024 + 1)
    answer = door.send(request(bearer("clinic"), body=large))
    assert (status(answer), error(answer)["code"]) == (413, "request_too_large")
    assert engine.heads == []


@pytest.mark.services
def test_too_many_requests_are_refused_per_tenant(
    tmp_path: Path, engine: Engine, cloud: Engine
) -> None:
    made = gateway(tmp_path, [engine], cloud, gateway_requests_per_second=1, gateway_burst=1)
    with serving(engine, cloud), made.running():
        for tenant in KEYS:
            answers = [made.send(request(bearer(tenant))) for _ in range(4)]
            assert [status(answer) for answer in answers] == [200, 200, 429, 429]
            assert error(answers[3])["code"] == "rate_limit_exceeded"


@pytest.mark.services
def test_a_stream_arrives_as_it_is_made_and_survives_a_reload(
    door: Gateway, engine: Engine
) -> None:
    engine.chunks, engine.thinking_s, engine.pause_s = 5, 0.5, 0.2
    with socket.create_connection(("127.0.0.1", door.port), 5) as connection:
        connection.sendall(request(bearer("clinic")))
        received = b""
        # Each piece is there before a later one is made. The head shows whether nginx collects:
        # a buffered one waits for the first chunk.
        for piece, following in ((b"\r\n\r\n", b"site 0"), (b"site 0", b"site 4")):
            while piece not in received:
                received += connection.recv(65536)
            assert following not in received
        door.write({"clinic": "another-key-0123456789abcdef"})
        assert door.nginx("-s", "reload").returncode == 0
        while data := connection.recv(65536):
            received += data
    assert b"site 4" in received
    assert received.endswith(b"0\r\n\r\n")
    assert status(door.send(request(bearer("clinic")))) == 401
    assert status(door.send(request("Authorization: Bearer another-key-0123456789abcdef"))) == 200


@pytest.mark.services
def test_traffic_is_shared_as_released_and_a_dead_engine_is_passed_over(tmp_path: Path) -> None:
    stable, canary, idle = (Engine(name=name) for name in ("stable", "canary", "idle"))
    fast = {"gateway_requests_per_second": 10000, "gateway_burst": 10000}
    made = gateway(tmp_path, [stable, canary, idle], None, **fast)
    with serving(stable, idle), made.running():  # the canary is dead
        assert {status(made.send(request(bearer("clinic")))) for _ in range(60)} == {200}
    with serving(canary), made.running():  # and now the stable one
        assert {status(made.send(request(bearer("clinic")))) for _ in range(20)} == {200}
    stable.heads.clear()
    canary.heads.clear()
    with serving(stable, canary, idle), made.running():
        for _ in range(400):
            made.send(request(bearer("clinic")))
    assert len(stable.heads) + len(canary.heads) == 400
    assert 15 <= len(canary.heads) <= 75  # 10 %: five standard deviations
    assert idle.heads == []


@pytest.mark.services
def test_the_log_says_who_and_how_it_went(door: Gateway, engine: Engine) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    door.send(request(bearer("clinic"), f"traceparent: 00-{trace}-b7ad6b7169203331-01"))
    door.send(request(path="/v1/models?key=secret-in-the-query"))
    answered, refused = door.entries(2)
    assert (answered["tenant"], answered["classification"]) == ("clinic", "restricted")
    assert answered["route"] == "tiny-lm"
    assert (answered["status"], answered["completion"], answered["trace"]) == (200, "OK", trace)
    assert float(answered["upstream_s"]) >= 0
    assert f"00-{trace}-" in engine.heads[0].decode().lower()
    assert (refused["status"], refused["tenant"]) == (401, "")
    assert "secret-in-the-query" not in door.log("access.json")


@pytest.mark.services
def test_an_answer_that_was_cut_is_seen_in_the_log(door: Gateway, engine: Engine) -> None:
    engine.chunks, engine.pause_s = 50, 0.05
    with socket.create_connection(("127.0.0.1", door.port), 5) as connection:
        connection.sendall(request(bearer("clinic")))
        connection.recv(1024)
    [cut] = door.entries(1)
    assert (cut["status"], cut["completion"]) == (200, "")


@pytest.mark.services
def test_an_idle_connection_is_closed_before_the_engine_would(
    door: Gateway, engine: Engine
) -> None:
    """Engines close it after 5 s; nginx's own limit is 60 s, and a prompt sent then is lost."""
    door.send(request(bearer("clinic")))
    assert process.wait_until(lambda: engine.left == 1, timeout_s=4.9)


@pytest.mark.services
def test_health_needs_no_key(door: Gateway) -> None:
    assert door.send(request(path="/health", body=b"", method="GET")).endswith(b'{"status":"ok"}\n')


@pytest.mark.services
def test_a_drained_gateway_says_so_and_still_answers(door: Gateway) -> None:
    health = request(path="/health", body=b"", method="GET")
    marker = door.folder / "drained"
    marker.write_text("{}")
    assert status(door.send(health)) == 503
    assert door.send(health).endswith(b'{"status":"drained"}\n')
    assert status(door.send(request(bearer("clinic")))) == 200
    marker.unlink()
    assert status(door.send(health)) == 200


@pytest.mark.services
def test_running_requests_are_counted(door: Gateway, engine: Engine) -> None:
    engine.chunks, engine.pause_s = 20, 0.1
    ask = request(path="/health/requests", body=b"", method="GET")

    def running() -> int:
        [line] = [each for each in door.send(ask).decode().splitlines() if "Writing" in each]
        reading, writing = line.split()[1], line.split()[3]
        return int(reading) + int(writing) - 1  # the question itself is one

    assert running() == 0
    with socket.create_connection(("127.0.0.1", door.port), 5) as connection:
        connection.sendall(request(bearer("clinic")))
        connection.recv(1024)
        assert running() == 1
    assert process.wait_until(lambda: running() == 0, timeout_s=5)


def test_keys_are_checked_before_they_become_configuration() -> None:
    keys = module("landfall_gateway_keys")
    assert keys.problems(KEYS) == []
    wrong = keys.problems({"clinic": 'x" evil;0123456789abc', "Web site": KEYS["clinic"]})
    assert len(wrong) == 2
    assert not [each for each in wrong if "evil" in each]
    assert keys.problems({"a": KEYS["clinic"], "b": KEYS["clinic"]})
    assert keys.tenants_of(keys.layout(KEYS)) == ["clinic", "website"]


CANARY = "tiny-lm.111111111111.222222222222"


@pytest.fixture
def half(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with a canary on half of the requests."""
    proven, canary = Engine(name="proven"), Engine(name="canary")
    upstreams = [
        {**upstream, "port": engine.port, "share": 50}
        for upstream, engine in zip(
            VALUES["gateway_routes"][0]["upstreams"], (proven, canary), strict=False
        )
    ]
    made = gateway(
        tmp_path,
        [proven, canary],
        None,
        gateway_routes=[{"name": "tiny-lm", "upstreams": upstreams}],
        gateway_requests_per_second=1000,
        gateway_burst=1000,
    )
    (tmp_path / "withdrawn").mkdir()
    with serving(proven, canary), made.running():
        yield made


def who(door: Gateway, requests: int = 30, path: str = CHAT) -> set[bytes]:
    answers = [door.send(request(bearer("clinic"), path=path)) for _ in range(requests)]
    return {name for name in (b"proven", b"canary") for each in answers if name + b" 0" in each}


@pytest.mark.services
@pytest.mark.parametrize("path", [f"{V2}/infer", "/v1/embeddings"])
def test_shares_and_canaries_are_those_of_prompts(half: Gateway, path: str) -> None:
    assert who(half, path=path) == {b"proven", b"canary"}
    (half.folder / "withdrawn" / CANARY).touch()
    assert who(half, path=path) == {b"proven"}


@pytest.mark.services
def test_a_canary_that_is_taken_out_gets_nothing_at_once(half: Gateway) -> None:
    assert who(half) == {b"proven", b"canary"}
    mark = half.folder / "withdrawn" / CANARY
    mark.touch()
    assert who(half) == {b"proven"}
    mark.unlink()
    assert who(half) == {b"proven", b"canary"}
    # a mark beside another proven engine says nothing here
    (half.folder / "withdrawn" / CANARY.replace("1", "4")).touch()
    assert who(half) == {b"proven", b"canary"}


@pytest.mark.services
def test_a_canary_that_is_taken_out_does_not_stand_in_either(tmp_path: Path) -> None:
    canary = Engine(name="canary")
    upstreams = [
        {**upstream, "port": port}
        for upstream, port in zip(
            VALUES["gateway_routes"][0]["upstreams"], (free_port(), canary.port), strict=False
        )
    ]
    routes = [{"name": "tiny-lm", "upstreams": upstreams}]
    made = gateway(tmp_path, [], None, gateway_routes=routes)
    (tmp_path / "withdrawn").mkdir()
    with serving(canary), made.running():
        assert b"canary 0" in made.send(request(bearer("clinic")))
        (tmp_path / "withdrawn" / CANARY).touch()
        assert status(made.send(request(bearer("clinic")))) == 503
