"""The role `serving` with an engine in a container, on a booted host: units, restarts, refusals.

podman is a stand-in that runs a server in the host's own name; a real one: tests/rack.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from landfall import process
from tests.playbooks import supervised
from tests.playbooks.one_host import OneHost, booted
from tests.templates.test_contained import FOLDER, KEY, MIRROR, engine

pytestmark = pytest.mark.host

UNIT = f"landfall-engine-{KEY[:12]}.service"
STATE = "/srv/podman"
PODMAN = f"""#!/bin/sh
export PODMAN_FOLDER={STATE} PYTHONPATH=/opt/landfall/lib
exec /usr/bin/python3 -m tests.engines.supervise.podman "$@"
"""
STAND_IN = ("tests/engines/supervise/podman.py", "tests/engines/supervise/servers.py")


def values() -> dict[str, Any]:
    """One engine for the one GPU that the host is said to have, and little patience."""
    asked = engine("summariser-l40s", slots=4, max_queue=8)
    return {
        "serving_engines": [asked],
        "serving_gpus": [{"model": "NVIDIA L40S", "count": 1}],
        "serving_python": f"/{supervised.PYTHON}",
        "serving_engine_folder": FOLDER,
        "serving_registry": MIRROR,
        "serving_probe_every_s": 1,
        "serving_hung_after_s": 4,
        "serving_drain_s": 5,
        "serving_container_ready_timeout_s": 60,
    }


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHost]:
    folder = tmp_path_factory.mktemp("serving")
    tree = folder / "tree"
    supervised.lay_out(tree, *STAND_IN)
    podman = tree / "usr/bin/podman"
    podman.parent.mkdir(parents=True)
    podman.write_text(PODMAN)
    podman.chmod(0o755)
    with booted(folder, net=93) as (host, rack):
        words = shlex.join([str(word) for word in rack.ssh("t-1")])
        pack = f"tar -C {tree} --owner=0 --group=0 -cf - opt usr/bin/podman"
        process.run(["bash", "-c", f"set -o pipefail; {pack} | {words} tar -C / -xf -"])
        host.ssh(f"mkdir {STATE}")
        host.variables |= values()
        yield host


def shows(host: OneHost, name: str) -> str:
    return host.ssh(f"systemctl show --value --property={name} {UNIT}").strip()


def comes_back(host: OneHost, restarts: int) -> bool:
    return process.wait_until(
        lambda: shows(host, "ActiveState") == "active" and int(shows(host, "NRestarts")) > restarts,
        timeout_s=90,
        interval_s=1,
    )


def said(host: OneHost) -> str:
    return host.ssh(f"journalctl --no-pager --output=cat --unit={UNIT}")


def test_check_mode_foresees_it_and_it_is_active_when_it_has_answered(host: OneHost) -> None:
    first = host.truthful("serving")
    assert "serving : Write the services" in first.changed
    assert "serving : Run the services" in first.changed
    assert shows(host, "ActiveState") == "active"
    assert shows(host, "NRestarts") == "0"
    assert "GPUs=0" in host.ssh(f"cat /etc/systemd/system/{UNIT}")


def test_one_that_hangs_is_started_anew(host: OneHost) -> None:
    before = int(shows(host, "NRestarts"))
    host.ssh(f"touch {STATE}/hang")
    assert process.wait_until(
        lambda: "no token for 4 s; it says that it is well" in said(host),
        timeout_s=60,
        interval_s=1,
    )
    host.ssh(f"rm {STATE}/hang")
    assert comes_back(host, before)
    assert "[" in host.ssh(f"cat /run/landfall-engine-{KEY[:12]}/failures")


def test_a_supervisor_that_is_killed_takes_its_container_with_it(host: OneHost) -> None:
    before, main = int(shows(host, "NRestarts")), shows(host, "MainPID")
    container = host.ssh(f"cat {STATE}/pid").strip()
    host.ssh(f"kill -9 {main}")
    assert comes_back(host, before)
    assert host.unchanged(f"kill -0 {container}").returncode != 0


def test_it_is_stopped_with_time_to_drain_and_forgets_its_failures(host: OneHost) -> None:
    host.ssh(f"systemctl stop {UNIT}")
    assert shows(host, "Result") == "success"
    assert f'["stop", "--ignore", "--time=5", "landfall-container-{KEY[:12]}"]' in host.ssh(
        f"cat {STATE}/told"
    )
    assert host.unchanged(f"test -e /run/landfall-engine-{KEY[:12]}").returncode != 0


def test_the_role_tells_why_an_engine_was_refused(host: OneHost) -> None:
    host.ssh("touch /srv/refuse")
    refused = host.play("serving", fails=True)
    assert "engines.supervise: not what was signed" in refused.output
    host.ssh(f"rm /srv/refuse; systemctl stop {UNIT}")
    assert host.play("serving").counts["changed"] == 1
    assert shows(host, "ActiveState") == "active"


def test_a_second_engine_is_refused_before_its_unit_is_written(host: OneHost) -> None:
    other = engine("summariser-l40s", key="2" * 64, port=20002, slots=4, max_queue=8)
    both = [*values()["serving_engines"], other]
    refused = host.play("serving", fails=True, serving_engines=both)
    assert "summariser 222222222222: needs 1 of NVIDIA L40S; this host has 1" in refused.output
    assert "222222222222" not in host.ssh("ls /etc/systemd/system")
    assert shows(host, "ActiveState") == "active"


def test_another_takes_its_place_where_the_host_is_drained(host: OneHost) -> None:
    other = engine("summariser-l40s", key="2" * 64, port=20002, slots=4, max_queue=8)
    host.play("serving", serving_engines=[other], serving_replace=True)
    units = host.ssh("ls /etc/systemd/system")
    assert "landfall-engine-222222222222.service" in units
    assert UNIT not in units
