"""Small pieces of the modules that write files and read nft's counters."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from landfall.model.environment import ROOT
from tests.playbooks.loading import load

MODULES = ROOT / "playbooks/plugins/modules"
files: Any = load(MODULES / "landfall_files.py")
firewall: Any = load(MODULES / "landfall_firewall.py")

LISTING = """
table inet landfall {
    counter accepted_in_mgmt {
        packets 3 bytes 180
    }
    counter dropped_in_mgmt {
        packets 14 bytes 840
    }
    counter spoofed {
        packets 0 bytes 0
    }
    counter confined {
        packets 1 bytes 60
    }
}
"""


def test_a_file_is_written_whole_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "etc/some.d/file.conf"
    files.write(path, "text\n", 0o640)
    assert path.read_text() == "text\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(path.parent) == ["file.conf"]


def test_a_link_is_replaced_and_what_it_led_to_stays(tmp_path: Path) -> None:
    there, path = tmp_path / "stub", tmp_path / "resolv.conf"
    there.write_text("others")
    path.symlink_to(there)
    assert files.differs(path, "others", 0o644)
    files.write(path, "ours", 0o644)
    assert (path.is_symlink(), path.read_text(), there.read_text()) == (False, "ours", "others")


@pytest.mark.parametrize(
    ("content", "mode", "differs"),
    [("text", 0o644, False), ("other", 0o644, True), ("text", 0o600, True)],
)
def test_only_what_differs_is_written(
    tmp_path: Path, content: str, mode: int, differs: bool
) -> None:
    path = tmp_path / "file"
    files.write(path, "text", 0o644)
    assert files.differs(path, content, mode) == differs
    assert files.differs(tmp_path / "none", content, mode)


def test_an_unfinished_write_of_before_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".file.part").write_text("half")
    files.write(tmp_path / "file", "whole", 0o644)
    assert os.listdir(tmp_path) == ["file"]


def test_a_lock_out_is_explained_by_what_was_dropped() -> None:
    assert firewall._dropped(LISTING) == ["dropped_in_mgmt 14", "confined 1"]
    assert firewall._dropped("") == []
