"""What every test may rely on, and how a test that cannot run here says so."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from landfall.model.environment import ROOT, Environment, cache_folder

IN_CI = os.environ.get("CI") == "true"

# No test asserts a time: machines are noisy.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def missing_for(marker: str) -> str:
    """What this machine lacks for tests that carry `marker`; "" where nothing is."""
    if marker in ("engine", "matrix", "cloud"):
        from stacks.toolchain import find

        return "" if find(cache_folder()) else "no Pulumi command (nox -s setup gets one)"
    if marker == "host":
        from rehearsal.preflight import preflight

        return "; ".join(preflight())
    if marker == "rack":
        from rehearsal.preflight import preflight, rack_preflight

        return "; ".join([*preflight(), *rack_preflight(cache_folder())])
    if marker == "nginx":
        return "" if shutil.which("nginx") else "no nginx (apt-get install nginx-light)"
    return ""


WHOLLY_MARKED = re.compile(
    r"^pytestmark = .*\b(engine|services|host|slow|matrix|cloud|rack)\b", re.MULTILINE
)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only unit tests are wanted, do not even import files that have none: it takes long."""
    if config.option.markexpr.startswith("not (") and collection_path.suffix == ".py":
        return True if WHOLLY_MARKED.search(collection_path.read_text()) else None
    return None


LONG = (
    "test_engine_life",
    "test_rehearsal",
    "test_interrupt",
    "test_upgrade",
    "test_check",
    "test_site",
    "test_burnin_role",
    "test_backup",
    "test_gpu_role",
)
"""Files of minutes. They begin first: of two workers, none shall begin with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, visibly, what cannot run here; in CI a skip is a failure instead."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))
    reasons = {
        name: missing_for(name) for name in ("engine", "matrix", "cloud", "host", "rack", "nginx")
    }
    for item in items:
        for name, reason in reasons.items():
            if reason and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"cannot run here: {reason}"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """In CI, a test that should run and was skipped has failed."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where it should run: {report.longrepr}"


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files that people write: stacks' configuration, inventories, releases."""
    for name in ("inventories", "releases"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for path in ROOT.glob("Pulumi*.yaml"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture
def dev(checkout: Path) -> Environment:
    """The environment dev of the copy."""
    return Environment(name="dev", root=checkout)
