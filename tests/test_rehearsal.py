"""The whole loop on a booted host, small: what a newcomer's demo does, looked at from all sides.

One rack is booted for all of these tests, on other ports and in another namespace than a demo's,
in a copy of the checkout; the model is trained for a few steps only.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engines.store import Store
from landfall import aws, http, playbook, registry
from landfall.cli.console import Reporter, reporter
from landfall.cli.flow import (
    cloud,
    engine,
    gateway,
    git,
    loop,
    overview,
    polling,
    pull_request,
    report,
)
from landfall.errors import IntegrityError, LandfallError, Unreachable
from landfall.http import Endpoint
from landfall.model.change import Half, Kind
from landfall.model.environment import ROOT, Environment
from landfall.preview import markdown
from rehearsal.rack import Rack
from rehearsal.services import Ports, Services
from tests.rehearsed import Place

pytestmark = [pytest.mark.host, pytest.mark.engine, pytest.mark.timeout(600)]

PLACE = Place(
    prefix="10.89.7.",
    namespace="landfall-test-loop",
    ssh=22131,
    gateway=28180,
    services=Ports(aws=15656, registry=15657),
    steps=60,
)
TENANTS = {"clinic": "restricted", "website": "public"}


@dataclass(kw_only=True)
class Watched:
    """Every command line and environment that a process of ours had while the loop ran."""

    seen: set[bytes] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        while not self.stop.wait(0.1):
            for name in ("cmdline", "environ"):
                for path in Path("/proc").glob(f"[0-9]*/{name}"):
                    try:
                        self.seen.add(path.read_bytes())
                    except OSError:
                        continue  # it has ended, or is not ours to look into


@dataclass(kw_only=True)
class Loop:
    """A rehearsal that is up."""

    environment: Environment
    services: Services
    rack: Rack
    done: loop.Done
    watched: Watched
    tell: Reporter

    def secrets(self) -> list[str]:
        told = json.loads(self.environment.handoff_file.read_text())
        names = [each["preshared_key_arn"] for each in told["tunnels"]]
        names += [f"landfall/dev/gateway/{tenant}" for tenant in TENANTS]
        return [aws.get_secret(name, via=self.services.access) for name in names]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    environment = PLACE.checkout(tmp_path_factory.mktemp("checkout"))
    watched = Watched()
    watcher = threading.Thread(target=watched.look, daemon=True)
    watcher.start()
    try:
        with PLACE.taken(environment) as (running, found):
            done = loop.up(environment, reporter(), offline=True, site_too=True)
            yield Loop(
                environment=environment,
                services=running,
                rack=found,
                done=done,
                watched=watched,
                tell=reporter(),
            )
    finally:
        watched.stop.set()
        watcher.join()


def ask(up: Loop, tenant: str = "clinic", prompt: str = "What is Landfall?") -> str:
    endpoint = gateway.endpoint(up.environment, tenant)
    return "".join(http.chat(endpoint, model="tiny-lm", prompt=prompt, max_tokens=16))


def test_it_answers(up: Loop) -> None:
    assert http.models(gateway.endpoint(up.environment, "clinic")) == ["tiny-lm"]
    assert len(ask(up)) > 0


def test_the_registry_says_which_version_answers(up: Loop) -> None:
    uri = up.services.tracking_uri
    answering = registry.resolve("tiny-lm", "dev-tiny-lm", tracking_uri=uri)
    materials = Store(up.environment.store).verify(str(up.done["engine"])).predicate.materials
    assert (str(answering.version), answering.run) == (materials.version, materials.run)
    assert materials.commit.startswith(git.head(ROOT)) or not git.head(ROOT)


def test_everything_is_up(up: Loop) -> None:
    down = [part for part in overview.look(up.environment) if not part.up]
    assert down == []


def test_no_secret_is_anywhere_in_the_clear(up: Loop) -> None:
    ask(up)
    branch = pull_request.open_one(up.environment)
    found = report.preview(branch, report.Wanted(offline=True), up.tell)
    text = markdown.write(found.report, digest=found.digest)
    secrets = up.secrets()
    assert len(set(secrets)) == 3
    places = [up.environment.root / ".landfall", Path("/dev/shm")]  # state, disks, logs, store
    for secret in secrets:
        assert secret not in text
        assert not [line for line in up.watched.seen if secret.encode() in line], "argv"
        for place in places:
            assert files_with(place, secret) == []
    # the search itself finds what is there
    planted = up.environment.work / "planted"
    planted.write_text(secrets[0])
    assert files_with(places[0], secrets[0]) == [planted]
    planted.unlink()


def files_with(folder: Path, secret: str) -> list[Path]:
    needle = secret.encode()
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink() and needle in path.read_bytes():
                found.append(path)
        except OSError:
            continue
    return found


def test_a_pull_request_is_previewed_in_all_halves(up: Loop) -> None:
    branch = pull_request.open_one(up.environment)
    found = report.preview(branch, report.Wanted(offline=True), up.tell).report
    by_half = {half: [c for c in found.changes if c.half is half] for half in Half}
    changed = {each.target.partition(" ")[0]: each for each in by_half[Half.CLOUD]}
    machines = changed["aws:batch/computeEnvironment:ComputeEnvironment"]
    assert machines.kind is Kind.UPDATE
    assert machines.details[0].path == "computeResources.instanceTypes[0]"
    assert machines.cost is not None
    assert set(changed) == {
        machines.target.partition(" ")[0],
        "aws:batch/jobDefinition:JobDefinition",
    }
    assert any("rate=50r/s" in change.diff for change in by_half[Half.SITE])
    [precision] = by_half[Half.ENGINES]
    assert precision.kind is Kind.REPLACE
    assert "precision changes from int8 to int4" in precision.reasons
    assert all(change.kind is not Kind.UNKNOWN for change in found.changes)


def test_what_a_spec_would_build_now_is_proposed_once(up: Loop) -> None:
    assert polling.poll(up.environment).proposals == ()
    branch = pull_request.open_one(up.environment)
    [proposal] = polling.poll(branch).proposals
    assert (proposal.change.target, proposal.new) == ("tiny-lm", True)
    assert [each.new for each in polling.poll(branch).proposals] == [False]


def test_a_second_run_changes_nothing(up: Loop) -> None:
    done = playbook.run(up.environment, "site.yml")
    assert done.changed == 0
    again = loop.up(up.environment, up.tell, offline=True, site_too=True)
    assert again == up.done


def test_a_wrong_key_is_refused(up: Loop) -> None:
    wrong = Endpoint(url=gateway.url(up.environment), api_key="wrong")
    with pytest.raises(LandfallError, match="401"):
        http.models(wrong)


def test_a_prompt_over_the_length_limit_is_refused_with_the_numbers(up: Loop) -> None:
    with pytest.raises(LandfallError, match=r"400.*256"):
        ask(up, prompt="x" * 1000)


def test_a_body_over_the_size_limit_is_refused(up: Loop) -> None:
    with pytest.raises(LandfallError, match="413"):
        ask(up, prompt="x" * 300_000)


def test_a_changed_engine_is_not_loaded(up: Loop) -> None:
    key = str(up.done["engine"])
    folder = up.environment.store / key / "engine"
    manifest = folder / "manifest.json"
    before = manifest.read_bytes()
    manifest.write_bytes(before.replace(b'"int8"', b'"int4"', 1))
    try:
        planned = engine.plan(up.environment, "tiny-lm", tracking_uri=up.services.tracking_uri)
        with pytest.raises(IntegrityError, match="not what was signed"):
            engine.ensure(up.environment, planned, on_host=False, on_progress=lambda _: None)
    finally:
        manifest.write_bytes(before)


def test_the_handoff_is_what_the_stack_says(up: Loop) -> None:
    with cloud.session(up.environment, offline=True, on_progress=print) as current:
        from landfall import handoff
        from stacks import automation

        assert handoff.parse(automation.outputs(current)) == handoff.load(
            up.environment.handoff_file
        )


def test_a_host_that_is_down_is_named(up: Loop) -> None:
    """Last: it takes the host away and brings it back."""
    from landfall import process

    process.stop(up.rack._record("host-rack-1"))
    with pytest.raises(Unreachable, match="rack-1 did not answer"):
        playbook.run(up.environment, "site.yml")
    preview = report.preview(
        up.environment, report.Wanted(offline=True, halves=frozenset({Half.SITE})), up.tell
    )
    [change] = preview.report.changes
    assert (change.kind, change.target) == (Kind.UNKNOWN, "rack-1")
