"""A set of files: what differs is written whole, and what is not of the set goes."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.loading import plugin

FILES: Any = plugin("modules", "landfall_files")
ME = pwd.getpwuid(os.getuid()).pw_name


class Stopped(Exception):
    """What the module ends with where it fails."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module with these files, in check mode or not; its result."""

    def run(files: list[dict[str, Any]], *, only: tuple[str, ...] = (), check: bool = False) -> Any:
        result: dict[str, Any] = {}
        defaults = {name: each.get("default") for name, each in FILES.FILE.items()}

        class Module:
            def __init__(self, **_: Any) -> None:
                self.params = {"files": [defaults | each for each in files], "only": list(only)}
                self.check_mode = check

            def run_command(self, argv: list[str]) -> tuple[int, str, str]:
                wrong = "wrong" in Path(argv[-1]).read_text()
                return int(wrong), "", f"{argv[-1]}: not right" if wrong else ""

            def fail_json(self, msg: str) -> None:
                raise Stopped(msg)

            def exit_json(self, **told: Any) -> None:
                result.update(told)

        monkeypatch.setattr(FILES, "AnsibleModule", Module)
        FILES.main()
        return result

    return run


def test_files_are_written_once_with_their_folders(tmp_path: Path, run: Any) -> None:
    files = [{"path": str(tmp_path / "some.d/a.conf"), "content": "a\n", "mode": "0640"}]
    first = run(files)
    assert first["written"] == [files[0]["path"]]
    assert (tmp_path / "some.d/a.conf").read_text() == "a\n"
    assert (tmp_path / "some.d/a.conf").stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path / "some.d") == ["a.conf"]
    assert first["diff"][0]["after"] == "a\n"
    assert run(files)["changed"] is False


@pytest.mark.parametrize("change", [{"content": "b\n"}, {"mode": "0600"}])
def test_another_text_or_mode_is_a_change(tmp_path: Path, run: Any, change: dict[str, Any]) -> None:
    wanted = {"path": str(tmp_path / "a.conf"), "content": "a\n", "owner": ME}
    run([wanted])
    assert run([{**wanted, **change}])["written"] == [wanted["path"]]
    assert run([{**wanted, **change}])["changed"] is False


def test_an_owner_that_only_a_package_will_bring_is_a_change(tmp_path: Path, run: Any) -> None:
    wanted = {"path": str(tmp_path / "a.conf"), "content": "a\n"}
    run([wanted])
    later = {**wanted, "owner": "no-such-user"}
    assert run([later], check=True)["written"] == [wanted["path"]]
    with pytest.raises(KeyError):
        run([later])
    assert os.listdir(tmp_path) == ["a.conf"]


def test_a_link_is_replaced_and_what_it_led_to_stays(tmp_path: Path, run: Any) -> None:
    there, path = tmp_path / "stub", tmp_path / "resolv.conf"
    there.write_text("ours")
    path.symlink_to(there)
    assert run([{"path": str(path), "content": "ours"}])["changed"] is True
    assert not path.is_symlink()
    assert (path.read_text(), there.read_text()) == ("ours", "ours")


def test_an_unfinished_write_of_before_is_no_obstacle(tmp_path: Path, run: Any) -> None:
    (tmp_path / ".file.part").write_text("half")
    run([{"path": str(tmp_path / "file"), "content": "whole"}])
    assert os.listdir(tmp_path) == ["file"]


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


def test_where_one_file_is_wrong_none_is_written(tmp_path: Path, run: Any) -> None:
    files = [
        {"path": str(tmp_path / name), "content": name, "validate": ["check"]}
        for name in ("right", "wrong")
    ]
    with pytest.raises(Stopped, match=f"nothing was written: {tmp_path}/wrong: .*not right"):
        run(files)
    assert os.listdir(tmp_path) == []


def test_a_write_that_fails_leaves_the_old_file_and_no_remains(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"path": str(tmp_path / "a.conf"), "content": "a\n"}
    run([wanted])

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        run([{**wanted, "content": "b\n"}])
    assert [path.name for path in tmp_path.iterdir()] == ["a.conf"]
    assert (tmp_path / "a.conf").read_text() == "a\n"
