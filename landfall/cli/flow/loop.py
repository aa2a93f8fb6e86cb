"""The whole loop, as a list of steps that each do nothing where nothing is to be done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from engines import sign
from engines.store import Store
from landfall import playbook, registry
from landfall.cli.console import Reporter
from landfall.cli.flow import cloud, engine, gateway, model, rack, services, site
from landfall.cli.flow.alone import only_one
from landfall.cli.flow.meanwhile import meanwhile
from landfall.errors import IntegrityError
from landfall.handoff import Handoff
from landfall.model.environment import Environment
from rehearsal.preflight import require
from rehearsal.services import Services

Done = dict[str, object]


def up(environment: Environment, tell: Reporter, *, offline: bool, site_too: bool) -> Done:
    """Bring an environment to what its files say; what it serves then.

    Raises:
        MissingTool: this machine cannot do its part; found out before anything starts.
        Busy: another run is at it.
    """
    if environment.rehearsal and site_too:
        require(hint="landfall doctor --fix installs what it can; --no-site leaves the host out")
    with only_one(environment):
        if not environment.rehearsal:
            return _real(environment, tell, offline=offline, site_too=site_too)
        return _rehearse(environment, tell, offline=offline, site_too=site_too)


def _real(environment: Environment, tell: Reporter, *, offline: bool, site_too: bool) -> Done:
    with tell.step(f"cloud: bringing {environment.name} up") as step:
        told = cloud.bring_up(environment, offline=offline, step=step)
    if site_too:
        with tell.step(f"site: configuring {environment.name}") as step:
            site.run(environment, site.Asked(), step)
    return {"environment": environment.name, "provider": told.provider}


def _rehearse(environment: Environment, tell: Reporter, *, offline: bool, site_too: bool) -> Done:
    running = services.of(environment)
    with tell.step("services: S3, secrets, model registry") as step:
        running.start()
        step.result = "starting in the background"
    # The services take seconds to start; the engine plans the cloud half meanwhile.
    with tell.step("cloud: bringing dev up with the real Pulumi engine") as step:
        told = cloud.bring_up(environment, offline=offline, step=step)
    with tell.step("secrets: keys of tunnels and tenants, in Secrets Manager") as step:
        running.wait_for_aws(step.update)
        services.record(environment, running)
        made = services.ensure_secrets(environment, told, running)
        step.result = f"{made} made" if made else "all there"
    with _host_meanwhile(environment, tell, site_too=site_too) as prepared:
        with tell.step("training: tiny-lm, interrupted once as a spot reclaim would") as step:
            outcome = model.ensure(environment, running, step)
        with tell.step("registry: registering the version") as step:
            running.wait(step.update)
            version = model.register(outcome, running)
            step.result = f"{version.name} version {version.version}, alias {model.ALIAS}"
        if prepared is not None:
            with tell.step("site: the host without its engine, begun before the training") as step:
                step.result = site.in_words(prepared.result())
    key = _engine(environment, tell, running, on_host=site_too)
    if site_too:
        with tell.step("site: what serves, configured with Ansible") as step:
            site.run(environment, site.Asked(skip_tags=site.OF_THE_HOST), step)
    return _done(environment, told, version, key, site_too=site_too)


@contextmanager
def _host_meanwhile(
    environment: Environment, tell: Reporter, *, site_too: bool
) -> Iterator[Future[playbook.Run] | None]:
    """Boot the host, and have it configured as far as it can be without an engine."""
    if not site_too:
        yield None
        return
    with tell.step("rack: booting a Debian host") as step:
        site.boot(environment, step)
    with meanwhile(lambda stopped: site.prepare(environment, stopped)) as prepared:
        yield prepared


def _engine(environment: Environment, tell: Reporter, running: Services, *, on_host: bool) -> str:
    with tell.step("engine: planning") as step:
        planned = engine.plan(environment, model.NAME, tracking_uri=running.tracking_uri)
        step.result = f"key {planned.plan.key[:12]}, {planned.plan.precision}"
    where = "on the host" if on_host else "here"
    with tell.step(f"engine: building {where}, measuring, signing") as step:
        made = engine.ensure(environment, planned, on_host=on_host, on_progress=step.update)
        step.result = engine.describe(environment, made.key)
        step.result += "" if made.built else "; already built"
    engine.release_locally(environment, model.NAME, made.key)
    return made.key


def _done(
    environment: Environment,
    told: Handoff,
    version: registry.ModelVersion,
    key: str,
    *,
    site_too: bool,
) -> Done:
    return {
        "environment": environment.name,
        "provider": told.provider,
        "model": f"{version.name} version {version.version}",
        "engine": key,
        "gateway": gateway.url(environment) if site_too else None,
    }


def sentence(done: Done) -> str:
    """What an environment now is, for a person."""
    if done.get("gateway"):
        return (
            f"{done['environment']} is up: {done['model']} answers at {done['gateway']}.\n"
            'Ask it:  landfall ask "What is Landfall?"'
        )
    return f"{done['environment']} is up, without hosts."


def down(environment: Environment, tell: Reporter, *, purge: bool) -> None:
    """Stop everything that `up` started for a rehearsal; with `purge` forget it, too."""
    with only_one(environment):
        with tell.step("rack: stopping hosts") as step:
            rack.of(environment, step.update).down()
        with tell.step("services: stopping"):
            services.of(environment).stop()
        if purge:
            with tell.step("forgetting cloud state, training, releases and its engines"):
                _forget(environment)
    if purge:
        shutil.rmtree(environment.work, ignore_errors=True)


def _forget(environment: Environment) -> None:
    """Remove what a rehearsal left. Of the shared store, only what its own key has signed goes."""
    store = Store(environment.store)
    public = environment.keys / sign.PUBLIC_KEY
    for entry in store.entries() if public.exists() else []:
        with suppress(IntegrityError):
            sign.verify(entry.engine, entry.signature, public)
            store.remove(entry.key)
    for name in ("offline-state", "training", "rack"):
        shutil.rmtree(environment.leavings / name, ignore_errors=True)
