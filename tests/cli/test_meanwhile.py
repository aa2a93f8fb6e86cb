"""Work beside other work: it ends with it, and what went wrong is not lost."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
import yaml

from landfall.cli.flow.meanwhile import meanwhile
from landfall.cli.flow.site import OF_THE_HOST
from landfall.model.environment import ROOT


def until(stopped: Callable[[], bool]) -> str:
    while not stopped():
        time.sleep(0.001)
    return "stopped"


def test_a_block_that_fails_stops_the_work_and_waits_for_it() -> None:
    with pytest.raises(KeyboardInterrupt), meanwhile(until) as working:
        raise KeyboardInterrupt
    assert working.result(timeout=0) == "stopped"


def test_a_result_is_there_to_ask_for() -> None:
    with meanwhile(lambda stopped: not stopped()) as working:
        assert working.result()


def test_what_went_wrong_comes_where_the_result_is_asked_for() -> None:
    with pytest.raises(ZeroDivisionError), meanwhile(lambda _: 1 / 0) as working:
        working.result()


def test_what_needs_no_engine_is_named_as_the_playbooks_name_it() -> None:
    tags = set[str]()
    for file in ("site.yml", "roles/engine/tasks/main.yml"):
        for each in yaml.safe_load((ROOT / "playbooks" / file).read_text()):
            for task in each.get("tasks", [each]):
                tags |= {*task.get("tags", [])}
    needs = {"engine", "serving", "gateway", "judge", "link", "metrics", "runtime", "unit"}
    assert {*OF_THE_HOST} == tags - needs - {"always"}


def test_what_is_told_of_engines_waits_for_them() -> None:
    """Else a host that was configured before the release would have to be configured again."""
    given = yaml.safe_load((ROOT / "playbooks/vars/site.yml").read_text())
    follows = re.compile("landfall_(engines|standby|routes|trials)")
    told = {name.split("_")[0] for name, value in given.items() if follows.search(str(value))}
    assert {"metrics", "engine", "gateway"} <= told
    assert not told & {*OF_THE_HOST}
