"""Time to the first token through the gateway against the same request straight to the engine.

Both are asked from the host itself, on one kept connection each, in turns; the script runs there
and reads the tenant's key from its standard input. The rehearsal must be up.
"""

from __future__ import annotations

import json
import statistics

from bench.figure import Figure
from landfall import process
from landfall.cli.flow import gateway, rack
from landfall.model import release
from landfall.model.environment import find
from landfall.model.routing import port_of

ROUNDS, BURST = 140, 35
GOAL = 1.2

ON_HOST = """
import http.client, json, sys, time
key, direct, rounds, burst = json.loads(sys.stdin.readline())
body = json.dumps({"model": "tiny-lm", "stream": True, "max_tokens": 8,
                   "messages": [{"role": "user", "content": "What is Landfall?"}]})
ways = {"gateway": http.client.HTTPConnection("127.0.0.1", 8080),
        "direct": http.client.HTTPConnection("127.0.0.1", direct)}

def first(connection):
    headers = {"Content-Type": "application/json", "Authorization": "Bearer " + key}
    started = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", body, headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    while True:
        line = answer.readline()
        if b'"content":' in line.replace(b" ", b"") and b'"content":""' not in line:
            break
        assert line, "no token came"
    took = time.perf_counter() - started
    answer.read()
    return took

found = {"gateway": [], "direct": []}
for round in range(rounds):
    for name, connection in ways.items():
        took = first(connection)
        if round % burst >= 5:  # after a pause, the first ones wake everybody up
            found[name].append(took)
    if round % burst == burst - 1:
        time.sleep(2.5)  # the gateway allows a burst of 40, then 20 a second
print(json.dumps(found))
"""


def measure() -> list[Figure]:
    """Medians of both, and the ratio of the medians."""
    environment = find("dev")
    endpoint = gateway.endpoint(environment, "clinic")
    key = release.load(environment)["tiny-lm"].engines[0].key
    wanted = json.dumps([endpoint.api_key, port_of(key), ROUNDS, BURST])
    done = process.run(
        [*rack.of(environment).ssh("rack-1"), f"python3 -c {quoted(ON_HOST)}"],
        stdin=f"{wanted}\n",
        what="measuring on the host",
    )
    found = json.loads(done.stdout)
    through, direct = (statistics.median(found[name]) for name in ("gateway", "direct"))
    return [
        Figure(
            name="first token through the gateway, against the direct request",
            value=through / direct,
            unit="times",
            goal=GOAL,
            detail=f"{through * 1e3:.2f} ms against {direct * 1e3:.2f} ms, "
            f"{len(found['direct'])} of each",
        )
    ]


def quoted(text: str) -> str:
    """`text` as one word of a shell."""
    return "'" + text.replace("'", "'\"'\"'") + "'"
