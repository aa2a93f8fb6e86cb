"""What of a check-mode run becomes a change, and how it is named."""

from __future__ import annotations

from typing import Any

import pytest

from landfall.playbook.changes import changes
from landfall.playbook.run import Run, TaskResult


def text(path: str, before: str = "old", after: str = "new") -> dict[str, str]:
    return {"before_header": path, "after_header": f"{path} (mode 0644)", "before": before,
            "after": after}  # fmt: skip


@pytest.mark.parametrize(
    ("result", "named", "headers"),
    [
        ({"invocation": {"module_args": {"name": "nginx"}}}, "nginx", []),
        (
            {"done": ["enable a.service", "start a.service"]},
            "enable a.service, start a.service",
            [],
        ),
        ({"written": ["/a"], "diff": [text("/a")]}, "/a", ["/a"]),
        ({"written": ["/a", "/b"], "diff": [text("/a"), text("/b")]}, "/a, /b", ["/a", "/b"]),
        ({"dest": "/a", "diff": [text("/tmp/x.j2"), text("/tmp/x.j2")]}, "/a", ["/a", "/a"]),
    ],
)
def test_a_change_names_what_it_changes(
    result: dict[str, Any], named: str, headers: list[str]
) -> None:
    done = TaskResult(
        event="runner_on_ok", host="h", task="role : Do", role="role", action="x",
        result={"changed": True, **result}, item=False,
    )  # fmt: skip
    [change] = changes(Run(results=(done,), counts={"h": {}}), "dev")
    assert change.summary == f"role : Do: {named}"
    lines = (change.diff or "").splitlines()
    assert [line.removeprefix("+++ ") for line in lines if line.startswith("+++")] == headers


def test_what_a_host_did_on_its_own_is_a_change_that_stays() -> None:
    drift = [{"id": "tiny-lm.a.b", "summary": "the judge has taken it out", "reasons": ["errors"]}]
    done = TaskResult(
        event="runner_on_ok", host="gpu-1", task="judge : Compare", role="judge", action="x",
        result={"changed": False, "drift": drift}, item=False,
    )  # fmt: skip
    run = Run(results=(done,), counts={"gpu-1": {"ok": 1}})
    [found] = changes(run, "prod")
    assert (found.id, found.target) == ("site:gpu-1:drift:tiny-lm.a.b", "gpu-1")
    assert (found.summary, found.reasons) == ("the judge has taken it out", ("errors",))
