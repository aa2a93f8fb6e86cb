"""What a run that failed says."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ansible_runner.runner
import pytest

from landfall.cli.flow.meanwhile import meanwhile
from landfall.errors import CommandFailed, Interrupted
from landfall.model.environment import Environment
from landfall.playbook.run import Run, TaskResult, _raise_failures, run


def result(event: str, item: bool = False, **more: Any) -> TaskResult:
    return TaskResult(
        event=event, host="h", task="role : Do", role="role", action="x", result=more, item=item
    )


def test_of_a_loop_the_items_say_what_went_wrong() -> None:
    results = (
        result("runner_item_on_ok", item=True, msg="fine"),
        result("runner_item_on_failed", item=True, msg="no such unit"),
        result("runner_on_failed", msg="One or more items failed", results=[{}, {}]),
    )
    with pytest.raises(CommandFailed) as caught:
        _raise_failures(Run(results=results, counts={"h": {"failures": 1}}))
    assert str(caught.value) == "h: role : Do\nno such unit"


def test_what_is_ignored_is_no_failure() -> None:
    ended = Run(results=(result("runner_on_failed", ignore_errors=True),), counts={"h": {}})
    _raise_failures(ended)


@pytest.fixture
def silent(tmp_path: Path) -> Environment:
    """An environment whose only playbook prints nothing for two seconds."""
    environment = Environment(name="dev", root=tmp_path)
    environment.inventory.mkdir(parents=True)
    local = {"ansible_connection": "local"}
    (environment.inventory / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"h": local}}}))
    tasks = [
        {"name": "Be silent", "ansible.builtin.pause": {"seconds": 2}, "tags": ["silent"]},
        {"name": "Say it", "ansible.builtin.debug": {}, "tags": ["loud"]},
    ]
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks/silent.yml").write_text(
        json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}])
    )
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    return environment


@pytest.mark.slow
def test_a_task_that_is_silent_for_hours_is_let_run(
    silent: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner's clock goes an hour for each second, while a task prints nothing for two."""
    begun = time.time()
    hurried = SimpleNamespace(time=lambda: begun + 3600 * (time.time() - begun))
    monkeypatch.setattr(ansible_runner.runner, "time", hurried)
    assert run(silent, "silent.yml").counts["h"]["ok"] == 2


@pytest.mark.slow
def test_after_a_run_ctrl_c_works_as_before(silent: Environment) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run(silent, "silent.yml", tags=["loud"])
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.slow
def test_what_is_left_out_by_its_tag_does_not_run(silent: Environment) -> None:
    done = run(silent, "silent.yml", skip_tags=["silent"])
    assert [each.task for each in done.results] == ["Say it"]


@pytest.mark.slow
def test_a_run_in_a_thread_is_cancelled_where_it_is(silent: Environment) -> None:
    with pytest.raises(RuntimeError), meanwhile(partial(_told_to_stop, silent)) as running:
        raise RuntimeError
    assert isinstance(running.exception(), Interrupted)


def _told_to_stop(environment: Environment, stopped: Callable[[], bool]) -> Run:
    return run(environment, "silent.yml", cancelled=stopped)
