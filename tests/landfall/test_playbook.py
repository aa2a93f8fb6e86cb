"""What a run that failed says."""

from __future__ import annotations

from typing import Any

import pytest

from landfall.errors import CommandFailed
from landfall.playbook.run import Run, TaskResult, _raise_failures


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
