"""The whole life of engines on a booted host, under load, by the command's own code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from landfall import process
from landfall.cli.console import reporter
from landfall.cli.flow import life, loop, model
from landfall.model import release
from landfall.model.environment import Environment
from landfall.model.routing import port_of
from rehearsal.rack import Rack
from rehearsal.services import Ports
from tests.rehearsed import Place

pytestmark = [pytest.mark.host, pytest.mark.engine, pytest.mark.timeout(1800)]

PLACE = Place(
    prefix="10.87.9.",
    namespace="landfall-test-life",
    ssh=22141,
    gateway=28190,
    services=Ports(aws=15666, registry=15667),
    steps=100,  # enough for answers that are closer to what is expected than an untrained model's
)
LEAST = 1000


@dataclass(kw_only=True)
class Lived:
    environment: Environment
    rack: Rack
    lived: life.Lived

    def on_host(self, command: str) -> str:
        return process.run([*self.rack.ssh("rack-1"), command]).stdout

    def log(self) -> list[dict[str, str]]:
        lines = self.on_host("cat /var/log/nginx/landfall.json").splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    environment = PLACE.checkout(tmp_path_factory.mktemp("checkout"))
    # A machine that is busy with other things stalls, and then sends what was due all at once.
    limits = environment.inventory / "group_vars/gpu_hosts/gateway.yml"
    limits.write_text(limits.read_text().replace("max_connections: 16", "max_connections: 200"))
    with PLACE.taken(environment) as (_, found):
        loop.up(environment, reporter(), offline=True, site_too=True)
        asked = life.Asked(on_host=False, least=LEAST)
        lived = life.live(environment, reporter(), asked)
        yield Lived(environment=environment, rack=found, lived=lived)


def test_no_request_failed(done: Lived) -> None:
    lost = [each for each in done.log() if int(each["status"]) >= 500]
    assert lost == [], done.on_host("tail -n 40 /var/log/nginx/error.log")
    assert done.lived.report.requests >= LEAST
    assert (done.lived.report.failed, dict(done.lived.report.errors)) == (0, {})


def test_every_engine_answered_and_the_first_does_again(done: Lived) -> None:
    asked = " ".join(each["upstream"] for each in done.log())
    for key in (done.lived.first, done.lived.good, done.lived.bad):
        assert f":{port_of(key)}" in asked
    now = release.load(done.environment)[model.NAME]
    assert (now.proven, now.previous) == (done.lived.first, done.lived.good)
    assert done.log()[-1]["upstream"] == f"127.0.0.1:{port_of(done.lived.first)}"


def test_the_bad_engine_was_taken_out_for_its_answers(done: Lived) -> None:
    verdict = done.lived.verdict
    assert (verdict.canary, verdict.verdict) == (done.lived.bad, "withdrawn")
    assert any(reason.startswith("quality:") for reason in verdict.reasons)


def test_from_the_verdict_on_it_got_nothing(done: Lived) -> None:
    bad = f":{port_of(done.lived.bad)}"
    said = done.on_host("cat /var/lib/landfall-judge/verdicts/*.json").splitlines()
    [at] = [each["time"] for each in map(json.loads, said) if each["canary"] == done.lived.bad]
    late = [each for each in done.log() if bad in each["upstream"] and each["time"] > at]
    assert len([each for each in done.log() if bad in each["upstream"]]) >= 1
    assert len(late) <= 3  # what had begun before may end after


def test_no_answer_was_cut(done: Lived) -> None:
    assert [each for each in done.log() if each["upstream"] and not each["completion"]] == []


def test_nothing_of_it_stays(done: Lived) -> None:
    assert done.on_host("ls /etc/landfall/withdrawn").split() == []
    units = done.on_host("systemctl list-units --plain --no-legend 'landfall-engine-*'")
    assert [line.split()[0] for line in units.splitlines()] == [
        f"landfall-engine-{done.lived.first[:12]}.service"
    ]


def test_the_engine_before_can_be_loaded(done: Lived) -> None:
    key = done.lived.good
    folder = f"/var/lib/landfall/engines/{key}"
    python = "/opt/landfall/current/bin/python"
    verify = f"{python} -m engines verify {folder} --signature {folder}.sig"
    assert key in done.on_host(f"{verify} --key /var/lib/landfall/engines/signing.pub")
