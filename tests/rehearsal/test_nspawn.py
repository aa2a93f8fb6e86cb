"""When a host's disk stays, and when it is laid out anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearsal import nspawn
from rehearsal.nspawn import Machine, RackHost


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for name in ("authorized", "host.pub", "host", "packages"):
        (tmp_path / name).write_text("key")
    return Machine(
        host=RackHost(name="t-1", address="10.1.0.11"),
        folder=tmp_path / "t-1",
        namespace="landfall-test-disk",
        bridge="bridge0",
        gateway="10.1.0.1",
        prefix_length=24,
        authorized_key=tmp_path / "authorized",
        host_key=tmp_path / "host",
        packages_url="http://10.1.0.1/apt/",
        packages_key=tmp_path / "packages",
    )


@pytest.fixture(autouse=True)
def _no_cgroups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nspawn, "cgroup_roots", lambda: ())


def laid_out(machine: Machine, tmp_path: Path) -> Path:
    """A disk as a boot leaves it: a file of a role, and the kernel's note that it is volatile."""
    machine.prepare(tmp_path / "rootfs")
    (machine.folder / nspawn.VOLATILE).mkdir(parents=True)
    written = machine.folder / "upper/etc/written"
    written.write_text("by a role")
    return written


def test_a_disk_stays_from_one_boot_to_the_next(machine: Machine, tmp_path: Path) -> None:
    written = laid_out(machine, tmp_path)
    machine.prepare(tmp_path / "rootfs")
    assert written.read_text() == "by a role"
    assert not (machine.folder / nspawn.VOLATILE).exists()  # else the kernel refuses the mount


def test_a_disk_that_may_lack_what_was_not_flushed_is_laid_out_anew(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = laid_out(machine, tmp_path)
    other = tmp_path / "boot_id"
    other.write_text("another start of this machine\n")
    monkeypatch.setattr(nspawn, "BOOT_ID", other)
    machine.prepare(tmp_path / "rootfs")
    assert not written.exists()
    assert (machine.folder / "upper/etc/hostname").read_text() == "t-1\n"


def test_another_root_file_system_is_another_disk(machine: Machine, tmp_path: Path) -> None:
    written = laid_out(machine, tmp_path)
    machine.prepare(tmp_path / "another")
    assert not written.exists()
