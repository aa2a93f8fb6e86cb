"""What a host tells about itself: its gateway counted, engines passed on, a real Prometheus."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall import process
from landfall.model.environment import ROOT, cache_folder
from landfall.model.routing import withdrawn_name
from rehearsal import packages
from tests.playbooks import stand_in_packages
from tests.playbooks.loading import load
from tests.playbooks.one_host import OneHost, booted

FILE = ROOT / "playbooks/roles/metrics/files/landfall_metrics.py"


program: Any = load(FILE)


def line(route: str = "tiny-lm", status: int = 200, seconds: float = 0.3, end: str = "OK") -> str:
    entry = {"route": route, "classification": "public", "status": status, "request_s": seconds}
    return json.dumps({**entry, "completion": end, "tenant": "clinic", "path": "/v1/x"})


class Log:
    """A gateway's log, its configuration, and what is shown of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "landfall.json"
        self.config: dict[str, Any] = {
            "log": str(self.path),
            "folder": str(folder),
            "state": str(folder / "state.json"),
            "engines": [],
        }
        self.folder = folder

    def add(self, *lines: str, end: str = "\n") -> None:
        with self.path.open("a") as stream:
            stream.write("\n".join(lines) + end)

    def run(self, ask: Callable[[int, str], str | None] = lambda *_: None) -> dict[str, float]:
        program.run(self.config, ask)
        text = (self.folder / "landfall-gateway.prom").read_text()
        shown = [row.rsplit(" ", 1) for row in text.splitlines() if not row.startswith("#")]
        return {name: float(value) for name, value in shown}

    def total(self) -> float:
        shown = self.run()
        return sum(value for name, value in shown.items() if "requests_total" in name)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_requests_are_counted_by_route_class_and_code(log: Log) -> None:
    log.add(line(), line(status=502, seconds=7), line(end=""))
    shown = log.run()
    labels = 'route="tiny-lm",classification="public"'
    assert shown[f'landfall_gateway_requests_total{{{labels},code="200"}}'] == 2
    assert shown[f'landfall_gateway_requests_total{{{labels},code="502"}}'] == 1
    assert shown[f"landfall_gateway_cut_total{{{labels}}}"] == 1
    assert shown[f'landfall_gateway_request_seconds_bucket{{{labels},le="0.5"}}'] == 2
    assert shown[f'landfall_gateway_request_seconds_bucket{{{labels},le="10"}}'] == 3
    assert shown[f"landfall_gateway_request_seconds_sum{{{labels}}}"] == pytest.approx(7.6)
    text = (log.folder / "landfall-gateway.prom").read_text()
    assert "clinic" not in text
    assert "/v1/x" not in text


def test_each_line_is_counted_once_across_runs_rotation_and_truncation(log: Log) -> None:
    assert log.total() == 0
    log.add(line(), line())
    assert log.total() == 2
    log.add(line(), end="")  # still being written
    assert log.total() == 2
    log.add("")
    assert log.total() == 3
    log.add(line())
    log.path.rename(log.path.with_name("landfall.json.1"))
    log.add(line(), line())
    assert log.total() == 6
    log.path.write_text(line() + "\n")
    assert log.total() == 7


def test_what_is_not_the_gateways_is_counted_as_such(log: Log) -> None:
    log.add("not JSON", "[1]", '{"status": 200}', line())
    shown = log.run()
    assert shown["landfall_gateway_unreadable_lines_total"] == 3


@given(st.lists(st.integers(1, 5), max_size=8))
def test_however_lines_come_none_is_lost(
    tmp_path_factory: pytest.TempPathFactory, portions: list[int]
) -> None:
    log = Log(tmp_path_factory.mktemp("log"))
    for portion in portions:
        log.add(*[line()] * portion)
        log.total()
    assert log.total() == sum(portions)


@given(st.text(max_size=20))
def test_any_route_is_a_valid_label(route: str) -> None:
    counters: dict[str, float] = {}
    program.count([line(route=route)], counters)
    for sample in counters:
        assert "\n" not in sample
        assert program.SAMPLE.match(f"{sample} 1")


def test_engines_are_passed_on_with_their_key_and_forgotten_when_they_go(log: Log) -> None:
    said = '# HELP landfall_tokens_total T.\nlandfall_tokens_total{kind="in"} 3\nplain 1.5\n'
    log.config["engines"] = [
        {"key": "a" * 64, "port": 1, "path": "/prometheus/metrics"},
        {"key": "b" * 64, "port": 2},
    ]
    shown = log.run(lambda port, path: said if path == "/prometheus/metrics" else None)
    assert shown['landfall_engine_up{engine="aaaaaaaaaaaa"}'] == 1
    assert shown['landfall_engine_up{engine="bbbbbbbbbbbb"}'] == 0
    path = log.folder / "landfall-engine-aaaaaaaaaaaa.prom"
    assert 'landfall_tokens_total{engine="aaaaaaaaaaaa",kind="in"} 3\n' in path.read_text()
    assert 'plain{engine="aaaaaaaaaaaa"} 1.5\n' in path.read_text()
    log.run()
    assert not path.exists()


def test_a_canary_that_was_taken_out_is_shown_until_its_file_goes(log: Log, tmp_path: Path) -> None:
    marks = tmp_path / "withdrawn"
    marks.mkdir()
    log.config["withdrawn"] = str(marks)
    mark = marks / withdrawn_name("tiny-lm.v2", "a" * 64, "b" * 64)
    mark.touch()
    assert log.run()['landfall_canary_withdrawn{route="tiny-lm.v2",engine="bbbbbbbbbbbb"}'] == 1
    mark.unlink()
    assert not any(name.startswith("landfall_canary_withdrawn") for name in log.run())


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHost]:
    folder = tmp_path_factory.mktemp("metrics")
    own = packages.ensure_repository(cache_folder(), print, packages=("prometheus",))
    with booted(folder, net=98) as (host, rack):
        stand_in_packages.send(own, [*rack.ssh("t-1")], to="/srv/prometheus")
        host.variables |= {
            "metrics_every_s": 1,
            "metrics_server": True,
            "metrics_targets": [
                {"job": "node", "host": "t-1", "address": "127.0.0.1:9100"},
                {"job": "node", "host": "t-2", "address": "127.0.0.1:9199"},
            ],
        }
        yield host


def asked(host: OneHost, path: str) -> Any:
    url = f"http://127.0.0.1:9090/api/v1/{path}"
    script = f"import urllib.request as u; print(u.urlopen('{url}').read().decode())"
    return json.loads(host.ssh(f'python3 -c "{script}"'))["data"]


@pytest.mark.host
def test_from_nothing_to_a_watched_host_and_check_mode_said_so(host: OneHost) -> None:
    host.truthful("metrics")


@pytest.mark.host
def test_a_run_tells_what_prometheus_does_not_reach(host: OneHost) -> None:
    def known() -> bool:
        targets = asked(host, "targets?state=active")["activeTargets"]
        return sorted(target["health"] for target in targets) == ["down", "up", "up"]

    assert process.wait_until(known, timeout_s=20)
    said = host.play("metrics").output
    assert '"not reached yet: http://127.0.0.1:9199/metrics"' in said


@pytest.mark.host
def test_the_gateways_numbers_reach_prometheus(host: OneHost) -> None:
    host.ssh(f"mkdir -p /var/log/nginx; echo '{line()}' >> /var/log/nginx/landfall.json")

    def counted() -> bool:
        found = asked(host, "query?query=landfall_gateway_requests_total")["result"]
        return [each["metric"]["host"] for each in found] == ["t-1"]

    assert process.wait_until(counted, timeout_s=20)


@pytest.mark.host
def test_what_is_down_becomes_an_alert_and_every_rule_is_loaded(host: OneHost) -> None:
    def pending() -> bool:
        alerts = asked(host, "alerts")["alerts"]
        return [a["labels"]["host"] for a in alerts if a["labels"]["alertname"] == "HostDown"] == [
            "t-2"
        ]

    assert process.wait_until(pending, timeout_s=20)
    groups = asked(host, "rules")["groups"]
    assert {"gateway", "gpu", "host"} <= {group["name"] for group in groups}
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}


@pytest.mark.host
def test_a_rule_that_no_role_brings_is_removed_and_a_broken_one_is_refused(host: OneHost) -> None:
    host.ssh("echo 'groups: []' > /etc/prometheus/landfall/old.yml")
    host.play("metrics")
    assert "old.yml" not in host.ssh("ls /etc/prometheus/landfall")
    assert (
        "metrics_targets" in host.play("metrics", fails=True, metrics_targets=[{"job": "x"}]).output
    )
