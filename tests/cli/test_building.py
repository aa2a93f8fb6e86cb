"""Building for GPUs: which host, what it is given, and what becomes of what comes back."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from engines import build, manifest, sign
from engines.build_contained import Given
from engines.plan import Plan
from engines.plan import read as read_plan
from engines.planned import Place
from engines.store import Store
from landfall import playbook, process
from landfall.cli.flow import building, engine, store
from landfall.cli.flow.engine import Planned
from landfall.errors import IntegrityError, Refused
from landfall.model.environment import ROOT, Environment, find
from tests.engines.contained.conftest import IMAGE, Making, Site, planned, site

__all__ = ["planned", "site"]

REGISTRY = "mirror.hospital.example:5000"


@pytest.fixture
def prod(tmp_path: Path) -> Environment:
    """prod of a checkout of its own."""
    root = tmp_path / "checkout"
    root.mkdir()
    shutil.copytree(ROOT / "inventories", root / "inventories")
    for path in ROOT.glob("Pulumi.*.yaml"):
        shutil.copy(path, root)
    return find("prod", root)


def regroup(environment: Environment, *dedicated: str) -> None:
    """Let the group of build hosts be these alone; they serve nobody."""
    path = environment.inventory / "hosts.yml"
    value = yaml.safe_load(path.read_text())
    children = value["all"]["children"]
    children["build_hosts"]["hosts"] = {
        name: children["gpu_hosts"]["hosts"].pop(name) for name in dedicated
    }
    path.write_text(yaml.safe_dump(value))


def placed(made: Plan, *hosts: str) -> Plan:
    return made.model_copy(update={"place": Place(hosts=hosts, gpus=1, rule="a host with 1 L40S")})


def test_a_dedicated_host_comes_before_one_that_serves(prod: Environment, planned: Making) -> None:
    made = placed(planned(), "gpu-2", "gpu-3")
    assert building.host_of(prod, made) == "gpu-2"  # it serves, too: the host is asked for its mark
    regroup(prod, "gpu-3")
    assert building.host_of(prod, made) == "gpu-3"


def test_a_host_that_is_named_must_have_the_gpu(prod: Environment, planned: Making) -> None:
    made = placed(planned(), "gpu-2")
    assert building.host_of(prod, made, "gpu-2") == "gpu-2"
    with pytest.raises(Refused, match="gpu-1 cannot build mini: it takes a host with 1 L40S") as no:
        building.host_of(prod, made, "gpu-1")
    assert no.value.hint == "Give --host with one of gpu-2."


def test_without_a_build_host_it_is_said_what_would_do(prod: Environment, planned: Making) -> None:
    with pytest.raises(Refused, match="no host in build_hosts can build mini") as caught:
        building.host_of(prod, placed(planned(), "gpu-3"))
    assert "Drain one of gpu-3 and give it as --host" in caught.value.hint


def test_a_build_host_is_given_no_key(prod: Environment, planned: Making, tmp_path: Path) -> None:
    given = Given(registry=REGISTRY)
    told = building.variables(planned(), tmp_path / "p", tmp_path, tmp_path / "e", given, "gpu-2")
    assert set(told) == {
        "build_key", "build_plan", "build_source", "build_out", "build_image", "build_registry",
        "build_timings", "build_beside", "build_host",
    }  # fmt: skip
    assert not any(str(prod.keys) in str(value) for value in told.values())
    text = (ROOT / "playbooks/build.yml").read_text()
    for secret in (sign.PRIVATE_KEY, sign.PUBLIC_KEY, "landfall_secrets", "landfall_public_key"):
        assert secret not in text


def test_what_is_missing_is_told_before_a_host_is_touched(
    prod: Environment, planned: Making, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playbook, "run", lambda *_, **__: pytest.fail("a host was touched"))
    path = prod.site_file
    path.write_text(path.read_text().replace(f"registry: {REGISTRY}", ""))
    for made, missing in (
        (planned(container=""), "container: PATH@sha256:DIGEST"),
        (planned(), r"site\.services\.registry"),
    ):
        with pytest.raises(Refused, match=missing):
            engine.ensure(
                prod, Planned(plan=made, model=site.model), on_host=True, on_progress=print
            )  # fmt: skip


class Hosts:
    """Stands in for the playbook: builds as a host would, and lets somebody at what comes back."""

    def __init__(self, **tampered: Any) -> None:
        self.tampered = tampered
        self.asked: list[dict[str, Any]] = []

    def run(self, *_: Any, variables: dict[str, Any], **__: Any) -> None:
        self.asked.append(variables)
        made = read_plan(Path(variables["build_plan"]).read_text())
        out = Path(variables["build_out"])
        given = Given(registry=variables["build_registry"])
        build.run(made, Path(variables["build_source"]), out, given=given)
        about = manifest.read(out).predicate
        manifest.write(out, about.model_copy(update=self.tampered))


@pytest.fixture
def pulled(site: Site) -> Site:
    """The site's image is on the host."""
    (site.bin / "images").write_text(f"{REGISTRY}/{IMAGE}\n")
    return site


@pytest.fixture
def signing(monkeypatch: pytest.MonkeyPatch, prod: Environment) -> Path:
    """The controller may sign for the environment; its public key."""
    monkeypatch.setattr(engine, "PROTECTED", frozenset())
    return sign.generate_keys(prod.keys)[1]


def ensure(prod: Environment, made: Plan, site: Site) -> str:
    asked = Planned(plan=placed(made, "gpu-2"), model=site.model)
    return engine.ensure(prod, asked, on_host=True, on_progress=lambda _: None).key


@pytest.mark.slow
def test_what_comes_back_whole_is_signed_and_kept(
    prod: Environment,
    planned: Making,
    pulled: Site,
    signing: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hosts = Hosts()
    monkeypatch.setattr(playbook, "run", hosts.run)
    key = ensure(prod, planned(), pulled)
    Store(prod.store).verify(key, signing)
    assert hosts.asked[0]["build_host"] == "gpu-2"
    assert not list((prod.work / "builds").iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("signing")
def test_what_comes_back_with_another_container_is_not_signed(
    prod: Environment, planned: Making, pulled: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = f"mirror/tensorrt-llm@sha256:{'b' * 64}"
    monkeypatch.setattr(playbook, "run", Hosts(container=other).run)
    made = planned()
    with pytest.raises(IntegrityError, match=f"container: {other}, the plan says {IMAGE}"):
        ensure(prod, made, pulled)
    assert Store(prod.store).entries() == []
    assert not list(prod.root.rglob("*.sig"))
    monkeypatch.setattr(playbook, "run", Hosts().run)
    assert ensure(prod, made, pulled) == made.key  # what was refused is in nobody's way


@pytest.mark.slow
@pytest.mark.parametrize("here", [False, True], ids=["no-key-here", "a-key-here"])
def test_for_prod_somebody_else_signs_and_it_is_taken_in(
    prod: Environment,
    planned: Making,
    pulled: Site,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    here: bool,
) -> None:
    gates = tuple(  # as they would be measured beside a GPU
        manifest.Outcome(name=name, outcome="passed") for name in ("quality", "determinism")
    )
    monkeypatch.setattr(playbook, "run", Hosts(gates=gates).run)
    if here:
        sign.generate_keys(prod.keys)
    asked = Planned(plan=placed(planned(), "gpu-2"), model=pulled.model)
    made = engine.ensure(prod, asked, on_host=True, on_progress=lambda _: None)
    assert made.unsigned is not None
    assert not list(prod.root.rglob("*.sig"))
    assert Store(prod.store).entries() == []

    private, public = sign.generate_keys(tmp_path / "officer")
    signing, taking = (shlex.split(line) for line in made.next(prod))
    words = [str(private) if each == "KEY" else each for each in signing]
    process.run([sys.executable, *words[1:]], cwd=ROOT)
    prod.keys.mkdir(parents=True, exist_ok=True)
    shutil.copy(public, prod.keys / sign.PUBLIC_KEY)
    folder, signature = Path(taking[3]), Path(taking[5])
    assert taking[:3] == ["landfall", "engine", "receive"]
    entry = store.receive(prod, folder, signature)
    assert Store(prod.store).verify(entry.key, public).predicate.approver == "NAME"
    assert not folder.exists()
    again = engine.ensure(prod, asked, on_host=True, on_progress=lambda _: None)
    assert (again.built, again.next(prod)) == (False, ())


@pytest.mark.slow
@pytest.mark.usefixtures("signing")
def test_pinned_timings_come_out_of_the_store(
    prod: Environment, planned: Making, pulled: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = Hosts()
    monkeypatch.setattr(playbook, "run", hosts.run)
    first = ensure(prod, planned(), pulled)
    kept = Store(prod.store).find(first).engine / "timing.cache"
    [digest] = [
        each.digest["sha256"]
        for each in manifest.read(kept.parent).subject
        if each.name == "timing.cache"
    ]
    again = planned(timing_cache=digest)
    assert building._timings(prod, again) == kept
    with pytest.raises(Refused, match="no engine of the store has them"):
        building._timings(prod, planned(timing_cache="2" * 64))
