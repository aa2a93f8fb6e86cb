"""Services of a role: started once, told before their units are there, and explained."""

from __future__ import annotations

from typing import Any

import pytest

from tests.playbooks.loading import plugin

SERVICES: Any = plugin("modules", "landfall_services")

RUNS = {"ActiveState": "active", "UnitFileState": "enabled"}
UNKNOWN = {"ActiveState": "inactive", "UnitFileState": ""}


class Stopped(Exception):
    """What the module ends with where it fails."""


class Host:
    """Units and how they are; what systemctl was asked to do with them."""

    def __init__(self, **units: dict[str, str]) -> None:
        self.units = units
        self.asked: list[str] = []

    def run(self, *, check: bool = False, **asked: list[str]) -> Any:
        result: dict[str, Any] = {}
        host = self

        class Module:
            def __init__(self, **_: Any) -> None:
                self.params = {"restarted": [], "reloaded": [], "started": [], **asked}
                self.check_mode = check

            def run_command(self, argv: list[str], check_rc: bool = False) -> tuple[int, str, str]:
                if argv[1] == "show":
                    found = host.units.get(argv[-1], UNKNOWN)
                    return 0, "".join(f"{name}={value}\n" for name, value in found.items()), ""
                if argv[0] == "journalctl":
                    return 0, "no such key\n", ""
                host.asked.append(" ".join(argv[1:]))
                return int("broken" in argv[-1]), "", "it failed\n"

            def fail_json(self, msg: str) -> None:
                raise Stopped(msg)

            def exit_json(self, **told: Any) -> None:
                result.update(told)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SERVICES, "AnsibleModule", Module)
            SERVICES.main()
        return result


@pytest.mark.parametrize(
    ("found", "state", "done"),
    [
        (RUNS, "started", []),
        (RUNS, "restarted", ["restart"]),
        (RUNS, "reloaded", ["reload-or-restart"]),
        (RUNS | {"UnitFileState": "disabled"}, "started", ["enable"]),
        (RUNS | {"UnitFileState": "static"}, "started", []),
        (RUNS | {"ActiveState": "failed"}, "started", ["start"]),
        (RUNS | {"ActiveState": "activating", "SubState": "start"}, "started", []),
        (RUNS | {"ActiveState": "activating", "SubState": "auto-restart"}, "started", ["start"]),
        (UNKNOWN, "started", ["enable", "start"]),
        (UNKNOWN, "reloaded", ["enable", "reload-or-restart"]),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_what_is_done_is_what_was_foreseen(
    found: dict[str, str], state: str, done: list[str], check: bool
) -> None:
    host = Host(a=found)
    told = host.run(**{state: ["a"]}, check=check)
    assert told["done"] == [f"{verb} a" for verb in done]
    assert told["changed"] == bool(done)
    assert host.asked == ([] if check or not done else ["daemon-reload", *told["done"]])


def test_services_are_started_once_and_in_their_order() -> None:
    host = Host()
    host.run(started=["metrics", "keys"], restarted=["keys"], reloaded=["gateway"])
    done = ["restart keys", "reload-or-restart gateway", "start metrics"]
    assert [each for each in host.asked if "enable" not in each] == ["daemon-reload", *done]


def test_a_service_that_fails_is_told_with_what_it_said() -> None:
    with pytest.raises(Stopped, match=r"systemctl enable broken: it failed\n+no such key"):
        Host().run(started=["broken"])
