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
