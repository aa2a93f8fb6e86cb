"""What the burn-in measures on an emulated server: two NUMA nodes, four NVMe, real counters.

The program runs without a play, which would take minutes here; the role is tested on booted hosts.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from landfall import process
from landfall.model.environment import ROOT
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import server
from tests.rack.conftest import Boot

pytestmark = [pytest.mark.rack, pytest.mark.timeout(1200)]

PROGRAM = ROOT / "playbooks/roles/burnin/files/landfall_burnin.py"
PLAN = {"seconds": 15, "disk_seconds": 2, "folder": "/var/tmp", "file_mib": 16, "dcgm_level": 0}


@pytest.fixture(scope="module")
def guest(boot: Boot) -> Guest:
    made = boot.clone(server("bi-1", disk_mib=64))
    words = shlex.join([str(word) for word in made.ssh()])
    process.run(["bash", "-c", f"{words} 'cat > /root/burnin.py' < {PROGRAM}"])
    return made


def measure(guest: Guest) -> dict[str, Any]:
    plan = shlex.quote(json.dumps(PLAN))
    measured: dict[str, Any] = json.loads(
        guest.run(f"python3 /root/burnin.py {plan}", timeout_s=900)
    )
    return measured


def test_each_node_and_each_disk_is_measured_and_a_warning_is_seen(guest: Guest) -> None:
    measured = measure(guest)
    figures = measured["figures"]
    assert {"memory_mb_s_node0", "memory_mb_s_node1", "cpu_ops_per_s"} <= set(figures), measured
    assert {"disk_read_mib_s", "disk_write_iops"} <= set(figures), measured
    assert all(value > 0 for value in figures.values())
    assert measured["failed"] == {}
    serials = {name.split()[1] for name in measured["after"] if name.startswith("disk ")}
    assert serials == {f"BI-1-NVME{bay}" for bay in range(4)}
    assert measured["before"] == measured["after"]
    guest.warn(0)
    counters = "import importlib.util as u; s = u.spec_from_file_location('b', '/root/burnin.py');"
    counters += "m = u.module_from_spec(s); s.loader.exec_module(m); from pathlib import Path;"
    counters += "import json; print(json.dumps(m.counters(m._run, Path('/'))))"
    after = json.loads(guest.run(f'python3 -c "{counters}"'))
    assert after["disk BI-1-NVME0 critical_warning"] > 0
    assert after["disk BI-1-NVME1 critical_warning"] == 0
    assert guest.run("ls -A /var/tmp | grep -c burnin; true").strip() == "0"
