"""The preview workflow: made from its template, valid, and careful with its tokens."""

from __future__ import annotations

import pytest
import yaml

from landfall import process
from landfall.cli.workflow import text
from landfall.model.environment import ROOT, cache_folder
from rehearsal.setup import find_actionlint

WORKFLOW = ROOT / ".github/workflows/preview.yml"


def test_the_committed_workflow_is_the_rendered_one() -> None:
    assert WORKFLOW.read_text() == text("dev", "ubuntu-24.04")


def test_the_job_that_runs_foreign_code_can_only_read() -> None:
    jobs = yaml.safe_load(text("dev", "ubuntu-24.04"))["jobs"]
    assert jobs["preview"]["permissions"] == {"contents": "read"}
    assert jobs["comment"]["permissions"] == {"pull-requests": "write"}
    commented = str(jobs["comment"]["steps"])
    assert "landfall" not in commented.replace("landfall-preview", "")
    assert "checkout" not in commented
    assert all("uses" not in step for job in jobs.values() for step in job["steps"])


@pytest.mark.services  # after set-up, which builds it
def test_actionlint_finds_nothing() -> None:
    found = find_actionlint(cache_folder())
    if found is None:
        pytest.skip("cannot run here: no actionlint (nox -s setup builds it)")
    done = process.run([found, "-no-color", WORKFLOW], check=False)
    assert done.stdout == ""
    assert done.returncode == 0


@pytest.mark.services  # after set-up, which builds it
def test_actionlint_would_find_something() -> None:
    found = find_actionlint(cache_folder())
    if found is None:
        pytest.skip("cannot run here: no actionlint (nox -s setup builds it)")
    broken = WORKFLOW.read_text().replace("github.event.pull_request.number", "github.event.nmber")
    broken = broken.replace("runs-on:", "run-on:")
    done = process.run([found, "-no-color", "-"], stdin=broken, check=False)
    assert done.returncode == 1
