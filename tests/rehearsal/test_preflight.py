"""What a machine lacks is named before anything starts, for each tier of the rack apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from landfall.errors import MissingTool
from rehearsal import preflight, setup
from tests.docs.documents import document


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with nothing installed."""
    monkeypatch.setattr(shutil, "which", lambda _program: None)
    monkeypatch.setattr(preflight, "RACK_FILES", {Path("/nowhere/OVMF.fd"): "ovmf"})
    monkeypatch.setattr(setup, "RACK_FILES", {Path("/nowhere/OVMF.fd"): "ovmf"})


@pytest.mark.usefixtures("bare")
def test_the_racks_packages_are_wanted_only_when_asked_for() -> None:
    plain, rack = setup.missing_packages(), setup.missing_packages(rack=True)
    assert "systemd-container" in plain
    assert {"qemu-system-x86", "openvswitch-switch", "nbdkit", "swtpm", "ovmf"} <= set(rack)
    assert not set(preflight.RACK_PROGRAMS.values()) - {"openssh-client"} & set(plain)
    assert set(plain) < set(rack)


@pytest.mark.usefixtures("bare")
def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    missing = preflight.rack_preflight(tmp_path / "not/yet/there")
    programs = {line.split(":")[0] for line in missing}
    assert set(preflight.RACK_PROGRAMS) <= programs
    assert "/nowhere/OVMF.fd: apt-get install ovmf" in missing
    with pytest.raises(MissingTool, match="cannot emulate a server") as raised:
        preflight.require_rack(tmp_path)
    assert "qemu-system-x86_64: apt-get install qemu-system-x86" in str(raised.value)


def test_too_little_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "RACK_MEMORY_GIB", 1_000_000)
    monkeypatch.setattr(preflight, "RACK_DISK_GIB", 1_000_000)
    missing = "\n".join(preflight.rack_preflight(tmp_path))
    assert "GiB are free, 1000000 are needed" in missing
    assert f"{tmp_path}:" in missing


def test_what_is_looked_for_is_on_the_page() -> None:
    text = "\n".join(row[0] for row in document("docs/rack.md").table("what", "for"))
    wanted = {*preflight.RACK_PROGRAMS.values(), *preflight.RACK_FILES.values()}
    for package in wanted - {"openssh-client"}:
        assert package in text.replace(",", "").split()
    for number in (preflight.RACK_MEMORY_GIB, preflight.RACK_DISK_GIB):
        assert f"{number} GiB" in text
