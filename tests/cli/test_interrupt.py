"""Ctrl-C in the middle of a run: the host serves or is drained, and the next run finishes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from landfall import process
from landfall.errors import Interrupted
from landfall.model.environment import ROOT
from tests.playbooks.several_hosts import Hosts, booted

pytestmark = [pytest.mark.host, pytest.mark.timeout(900)]

SCRIPT = """
import sys
from pathlib import Path
from landfall.cli import main, site
from landfall.model.environment import Environment

environment = Environment(name="dev", root=Path(sys.argv.pop()))
site.find = lambda name: environment
tags = ["--tags", "engine", "--tags", "serving", "--tags", "gateway"]
sys.argv = ["landfall", "site", "dev", "site", *tags]
main.main()
"""
"""The command, in another checkout, and only the part of the site that serves."""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with booted(tmp_path_factory.mktemp("hosts"), ["t-1"]) as made:
        made.checkout.release("first")
        made.configure()
        yield made


def start(hosts: Hosts, log: Path) -> subprocess.Popen[bytes]:
    """The command in a group of its own, as a terminal's foreground program."""
    with log.open("wb") as sink:
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, hosts.checkout.root],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )


@pytest.mark.parametrize("moment", ["copying", "switching"])
def test_a_run_that_is_interrupted_is_finished_by_the_next(
    hosts: Hosts, tmp_path: Path, moment: str
) -> None:
    before = hosts.model("t-1")
    key = hosts.checkout.release(f"an engine of {moment}")
    reached = {
        "copying": f"/var/lib/landfall/engines/{key}",
        "switching": f"/etc/systemd/system/landfall-engine-{key[:12]}.service",
    }[moment]
    command = start(hosts, tmp_path / "log")
    family = []

    def there() -> bool:
        nonlocal family
        family = psutil.Process(command.pid).children(recursive=True)
        return hosts.ssh("t-1", f"test -e {reached} && echo yes", check=False) == "yes\n"

    # Not more often: each look is a login.
    assert process.wait_until(there, timeout_s=300, interval_s=0.3), (tmp_path / "log").read_text()
    os.killpg(command.pid, signal.SIGINT)
    assert command.wait(60) == Interrupted.exit_code, (tmp_path / "log").read_text()
    psutil.wait_procs(family, timeout=10)
    assert [each for each in family if each.is_running()] == []
    answering = hosts.model("t-1")
    assert answering in {before, f"an engine of {moment}"} or hosts.drained("t-1")
    hosts.configure()
    assert hosts.model("t-1") == f"an engine of {moment}"
    assert hosts.configure().counts["t-1"]["changed"] == 0
