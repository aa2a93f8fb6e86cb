"""What the burn-in measures on an emulated server: two NUMA nodes, four NVMe, real counters.

The program runs without a play, which would take minutes here; the role is tested on booted hosts.
"""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from landfall import process
from landfall.model.environment import ROOT, cache_folder
from rehearsal import packages
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import server
from tests.playbooks import stand_in_packages
from tests.rack.conftest import Boot

pytestmark = [pytest.mark.rack, pytest.mark.timeout(1200)]

PROGRAM = ROOT / "playbooks/roles/burnin/files/landfall_burnin.py"
PLAN = {"seconds": 15, "disk_seconds": 2, "folder": "/var/tmp", "file_mib": 16, "dcgm_level": 0}


def bring_stress_ng(guest: Guest, folder: Path) -> None:
    """Install stress-ng with what the image lacks of its needs."""
    whole = packages.ensure_repository(cache_folder(), print, packages=("stress-ng",))
    there = set(guest.run("dpkg-query -Wf '${Package}\\n'").split())
    folder.mkdir()
    for deb in whole.glob("*.deb"):
        if deb.name.split("_")[0] not in there:
            shutil.copy(deb, folder)
    stand_in_packages.send(folder, [*guest.ssh()], to="/srv/stress-ng")
    guest.run("dpkg --install /srv/stress-ng/*.deb >/dev/null", timeout_s=300)


@pytest.fixture(scope="module")
def guest(boot: Boot, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    made = boot.clone(server("bi-1", disk_mib=64))
    bring_stress_ng(made, tmp_path_factory.mktemp("burnin") / "debs")
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
