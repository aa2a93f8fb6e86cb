"""What is written down of disks' own reports, and how a disk is erased by what it can do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from landfall.model.environment import ROOT
from playbooks.plugins.module_utils.landfall_storage import erase
from playbooks.plugins.module_utils.landfall_storage.facts import Filesystem
from playbooks.plugins.module_utils.landfall_storage.ladder import confirmation
from playbooks.plugins.module_utils.landfall_storage.run import Failed
from tests.playbooks.loading import load
from tests.playbooks.storage import given

XFS = Filesystem(kind="xfs", uuid=given.XFS, mounted_at="/srv/data", options=())
PROGRAM = ROOT / "playbooks/roles/storage/files/storage_watch.py"


@pytest.fixture(scope="module")
def watch() -> Any:
    return load(PROGRAM)


EMULATED = {"critical_warning": 0, "temperature": 323, "avail_spare": 0, "spare_thresh": 0}
"""QEMU's drive reports no spare blocks and no threshold for them."""
REAL = {
    "critical_warning": {"value": 4, "available_spare": 0, "temp_threshold": 0},
    "temperature": 310,
    "avail_spare": 100,
    "spare_thresh": 10,
    "percent_used": 83,
    "media_errors": 2,
}
"""As nvme-cli 2 tells it: the warning is an object."""


def health(watch: Any, said: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, _, value in watch.health({"serial": "S1"}, said)}


def test_a_drive_without_spare_threshold_raises_no_alarm(watch: Any) -> None:
    found = health(watch, EMULATED)
    assert "landfall_disk_spare_ratio" not in found
    assert found["landfall_disk_temperature_celsius"] == 50


def test_a_real_drive_tells_all(watch: Any) -> None:
    found = health(watch, REAL)
    assert found["landfall_disk_critical_warning"] == 4
    assert found["landfall_disk_used_ratio"] == 0.83
    assert found["landfall_disk_spare_ratio"] == 1
    assert found["landfall_disk_media_errors"] == 2


def test_a_drive_that_says_nothing_is_told(watch: Any) -> None:
    assert health(watch, {}) == {"landfall_disk_health_readable": 0.0}


def test_samples_are_written_as_prometheus_reads_them(watch: Any) -> None:
    lines = [("a", {"x": "1"}, 1.0), ("b", {}, 1795284757.0), ("a", {"x": "2"}, 0.5)]
    assert watch.render(lines) == (
        '# TYPE a gauge\na{x="1"} 1\na{x="2"} 0.5\n# TYPE b gauge\nb{} 1795284757\n'
    )


class Nvme:
    """A drive that can sanitize or not, and what was asked of it."""

    def __init__(self, sanicap: int, states: list[int] | None = None) -> None:
        self.sanicap, self.states, self.asked = sanicap, states or [], list[str]()

    def __call__(self, argv: Sequence[str]) -> tuple[int, str, str]:
        self.asked.append(" ".join(argv))
        if "id-ctrl" in argv:
            return 0, json.dumps({"sanicap": self.sanicap}), ""
        if "sanitize-log" in argv:
            return 0, json.dumps({"nvme0": {"sstat": self.states.pop(0)}}), ""
        return 0, "", ""


@pytest.mark.parametrize(
    ("sanicap", "method", "command"),
    [
        (0, "format, user data erase (ses 1)", "nvme format --ses=1 --force /dev/nvme1n1"),
        (1, "sanitize crypto-erase", "nvme sanitize --sanact=start-crypto-erase /dev/nvme1n1"),
        (2, "sanitize block-erase", "nvme sanitize --sanact=start-block-erase /dev/nvme1n1"),
        (3, "sanitize crypto-erase", "nvme sanitize --sanact=start-crypto-erase /dev/nvme1n1"),
    ],
)
def test_a_disk_is_erased_by_the_best_it_can(
    sanicap: int, method: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase, "SANITIZE_POLL_S", 0)
    drive = Nvme(sanicap, [0x102, 0x101])
    assert erase.erase(drive, given.disk(1))[0] == method
    assert command in drive.asked


def test_a_sanitize_that_fails_is_told() -> None:
    with pytest.raises(Failed, match="sanitize ended with status 3"):
        erase.erase(Nvme(1, [0x103]), given.disk(1))


def test_the_certificate_is_true_only_where_nothing_is_left() -> None:
    zero, old, new = bytes(4096), b"a" * 4096, b"b" * 4096
    before, disk = {0: old, 4096: zero, 8192: old}, given.disk(1)
    how = ("format", 0.2)
    clean = erase.compare(disk, how, before, {0: zero, 4096: zero, 8192: new}, disk)
    assert (clean.verified, clean.not_zero_before, clean.unchanged) == (True, 2, 0)
    assert not erase.compare(disk, how, before, {**before}, disk).verified
    left = replace(disk, signatures=(given.signature("xfs 1", "/dev/nvme1n1"),))
    assert not erase.compare(disk, how, before, {0: zero, 4096: zero, 8192: zero}, left).verified


def test_nothing_is_erased_without_the_right_confirmation() -> None:
    there, wanted = given.with_data(), given.spec()
    right = confirmation(wanted, there, wanted.serials)
    for wrong in ("", "gpu-1:000000000000", right.replace("gpu-1", "gpu-2")):
        refused = erase.plan(wanted, there, wrong)
        assert refused.steps == ()
        assert any(right in problem for problem in refused.problems)
    mounted = replace(there, filesystem=XFS, units={erase.TIMERS[0]: "enabled active"})
    steps = erase.plan(wanted, mounted, right).steps
    assert [step.name for step in steps] == [
        "Take the array out of use",
        "Erase every key of the container",
    ]
    said = [" ".join(command) for command in steps[0].commands]
    assert said == [
        "systemctl disable --now landfall-storage-scrub.timer",
        "systemctl stop srv-data.mount",
        "cryptsetup close data",
    ]


def test_an_erasure_that_was_interrupted_goes_on() -> None:
    """After a reboot nothing is mounted or open, and no unit is left to stop."""
    there, wanted = given.with_data(mapping="", filesystem=None), given.spec()
    right = confirmation(wanted, there, wanted.serials)
    assert erase.plan(wanted, there, right).steps[0].commands == ()


def test_disks_of_others_are_not_erased_with_ours() -> None:
    there, wanted = given.with_data(), given.spec()
    mixed = replace(there, disks=(given.disk(1, md_uuid=given.THEIRS), *there.disks[1:]))
    right = confirmation(wanted, mixed, wanted.serials)
    found = erase.plan(wanted, mixed, right)
    assert found.steps == ()
    assert "not of this array: S1" in found.problems[0]


def test_samples_are_spread_over_the_disk(tmp_path: Path) -> None:
    image = tmp_path / "disk"
    image.write_bytes(b"x" * 4096 * 1000)
    found = erase.sample(given.disk(1, path=str(image), size_bytes=4096 * 1000))
    assert min(found) == 0
    assert max(found) == 4096 * 999
    assert len(found) == erase.SAMPLES
