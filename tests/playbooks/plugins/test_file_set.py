"""A set of files: what differs is written whole, and what is not of the set goes."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from tests.playbooks import links

FILE_SET = links.module("plugins/modules/landfall_file_set.py")
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module with these files, in check mode or not; its result."""

    def run(files: list[dict[str, Any]], *, only: tuple[str, ...] = (), check: bool = False) -> Any:
        result: dict[str, Any] = {}

        class Module:
            def __init__(self, **_: Any) -> None:
                self.params = {"files": files, "only": list(only)}
                self.check_mode = check

            def exit_json(self, **told: Any) -> None:
                result.update(told)

        monkeypatch.setattr(FILE_SET, "AnsibleModule", Module)
        FILE_SET.main()
        return result

    return run


def test_files_are_written_once(tmp_path: Path, run: Any) -> None:
    files = [{"path": str(tmp_path / "new/a.conf"), "content": "a\n", "mode": "0640"}]
    first = run(files)
    assert first["written"] == [files[0]["path"]]
    assert (tmp_path / "new/a.conf").read_text() == "a\n"
    assert (tmp_path / "new/a.conf").stat().st_mode & 0o777 == 0o640
    assert first["diff"][0]["after"] == "a\n"
    assert run(files)["changed"] is False


@pytest.mark.parametrize("change", [{"content": "b\n"}, {"mode": "0600"}])
def test_another_text_or_mode_is_a_change(tmp_path: Path, run: Any, change: dict[str, Any]) -> None:
    wanted = {"path": str(tmp_path / "a.conf"), "content": "a\n", "owner": ME}
    run([wanted])
    assert run([{**wanted, **change}])["written"] == [wanted["path"]]
    assert run([{**wanted, **change}])["changed"] is False


def test_what_is_not_of_the_set_is_removed_where_only_the_set_may_stand(
    tmp_path: Path, run: Any
) -> None:
    for name in ("05-ours-old", "05-ours-new", "10-theirs"):
        (tmp_path / name).write_text("")
    wanted = [{"path": str(tmp_path / "05-ours-new"), "content": ""}]
    removed = run(wanted, only=(str(tmp_path / "05-ours-*"),))["removed"]
    assert removed == [str(tmp_path / "05-ours-old")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["05-ours-new", "10-theirs"]


def test_a_dry_run_tells_and_touches_nothing(tmp_path: Path, run: Any) -> None:
    (tmp_path / "05-ours-old").write_text("old")
    wanted = [{"path": str(tmp_path / "05-ours-new"), "content": "new"}]
    told = run(wanted, only=(str(tmp_path / "05-ours-*"),), check=True)
    assert told["changed"] is True
    assert [path.name for path in tmp_path.iterdir()] == ["05-ours-old"]


def test_a_write_that_fails_leaves_the_old_file_and_no_remains(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"path": str(tmp_path / "a.conf"), "content": "a\n"}
    run([wanted])

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(FILE_SET.os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        run([{**wanted, "content": "b\n"}])
    assert [path.name for path in tmp_path.iterdir()] == ["a.conf"]
    assert (tmp_path / "a.conf").read_text() == "a\n"
