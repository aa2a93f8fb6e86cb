"""The lines of crypttab, fstab and mdadm.conf: others' lines stay, ours stands once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from landfall import process
from playbooks.plugins.filter import landfall_storage as filters
from playbooks.plugins.module_utils.landfall_storage import config, journal, pin, run
from playbooks.plugins.module_utils.landfall_storage.gather import luks
from tests.playbooks.storage import given

WORD = st.text(alphabet="abcz/#-=_.", min_size=1, max_size=8)
LINES = st.lists(st.lists(WORD, max_size=4).map(" ".join), max_size=6).map("\n".join)


@drawn(LINES)
def test_a_line_is_put_once_and_others_stay(text: str) -> None:
    line = config.fstab_line(given.spec())
    once = config.with_line(text, line)
    assert config.with_line(once, line) == once
    assert once.splitlines().count(line) == 1
    others = [each for each in text.splitlines() if each.split()[:1] != [line.split()[0]]]
    assert [each for each in once.splitlines() if each != line] == others
    assert line.split()[0] not in config.without_line(once, line.split()[0])


@drawn(LINES)
def test_mdadm_conf_is_stable(text: str) -> None:
    once = config.mdadm_conf(text, given.spec(), given.OURS)
    assert config.mdadm_conf(once, given.spec(), given.OURS) == once
    assert f"UUID={config.colons(given.OURS)}\n" in once


@pytest.mark.parametrize("path", ["/srv/data", "/srv/my-data", "/a_b/c.d", "/.x/y", "/srv/ü"])
def test_a_mount_s_unit_is_named_as_systemd_names_it(path: str) -> None:
    said = process.run(["systemd-escape", "--path", "--suffix=mount", path]).stdout.strip()
    assert config.mount_unit(path) == said


@pytest.mark.parametrize(
    ("unlock", "wanted", "never"),
    [
        ("tpm2", ("tpm2-device=auto", "headless=true", " none "), ("_netdev",)),
        ("tang", ("_netdev", " none "), ("headless", "tpm2")),
        ("key_file", (f" {config.KEY_FOLDER}/data.key ", "headless=true"), ("tpm2", "_netdev")),
    ],
)
def test_the_boot_never_waits_for_a_person(
    unlock: str, wanted: tuple[str, ...], never: tuple[str, ...]
) -> None:
    line = config.crypttab_line(given.spec(unlock=unlock), given.LUKS)
    assert line.startswith(f"data UUID={given.LUKS} ")
    assert all(word in line for word in (*wanted, "nofail", "x-systemd.device-timeout="))
    assert not any(word in line for word in never)


def test_workqueues_are_as_the_spec_says() -> None:
    queues = {
        name: config.crypttab_line(given.spec(workqueues=name), given.LUKS)
        for name in ("bypass", "kernel")
    }
    assert "no-read-workqueue,no-write-workqueue" in queues["bypass"]
    assert "workqueue" not in queues["kernel"]


@drawn(st.uuids())
def test_uuids_are_written_both_ways(drawn_uuid: Any) -> None:
    text = str(drawn_uuid)
    assert config.dashes(config.colons(text)) == text


def test_a_recovery_key_is_long_and_never_the_same() -> None:
    first, second = run.recovery_key(), run.recovery_key()
    assert first != second
    assert len(bytes.fromhex(first.replace("-", ""))) == 32


def test_a_journal_is_read_as_it_was_written_and_a_torn_one_is_refused(tmp_path: Path) -> None:
    assert journal.read("data", str(tmp_path)) is None
    journal.write("data", given.made(), str(tmp_path))
    assert journal.read("data", str(tmp_path)) == given.made()
    journal.path("data", str(tmp_path)).write_text('{"md": ')
    with pytest.raises(ValueError, match="not a journal"):
        journal.read("data", str(tmp_path))


def escrow(folder: Path) -> dict[str, str]:
    """The escrow of our array, as the controller holds it."""
    contents = {"header.cms": b"header", "recovery.cms": b"key"}
    digests = {name: hashlib.sha256(each).hexdigest() for name, each in contents.items()}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    manifest = {"md_uuid": given.OURS, "luks_uuid": given.LUKS, "filesystem_uuid": given.XFS}
    lists = {"members": list(given.MEMBERS), "spares": list(given.SPARES)}
    (folder / "manifest.json").write_text(json.dumps({**manifest, **lists, "sha256": digests}))
    return filters.storage_escrow_digests(str(folder))


def test_only_what_the_controller_lacks_is_fetched(tmp_path: Path) -> None:
    assert filters.storage_not_held({"header.cms": "1"}, str(tmp_path)) == ["header.cms"]
    held = escrow(tmp_path)
    assert filters.storage_not_held(held, str(tmp_path)) == []
    (tmp_path / "recovery.cms").write_bytes(b"damaged")
    assert filters.storage_not_held(held, str(tmp_path)) == ["recovery.cms"]


def test_a_host_installed_anew_knows_its_array_by_the_controller(tmp_path: Path) -> None:
    escrow(tmp_path)
    manifest = filters.storage_pinned(str(tmp_path))
    anew = given.with_data(journal=None, luks=None)
    found = pin.with_pin(anew, manifest).journal
    assert found is not None
    assert (found.md, found.complete, found.members) == (given.OURS, True, given.MEMBERS)
    strangers = given.facts(disks=(given.disk(1, md_uuid=given.THEIRS),))
    assert pin.with_pin(strangers, manifest).journal is None
    assert pin.with_pin(given.facts(), manifest).journal is None  # empty disks


def test_a_damaged_escrow_pins_nothing(tmp_path: Path) -> None:
    escrow(tmp_path)
    (tmp_path / "header.cms").write_bytes(b"damaged")
    assert filters.storage_pinned(str(tmp_path)) == {}
    assert filters.storage_pinned(str(tmp_path / "absent")) == {}


def test_a_device_without_header_has_none() -> None:
    assert luks(lambda _: (1, "", ""), "/dev/null") is None


def test_every_file_that_a_plan_writes_is_one_that_it_compares() -> None:
    """Otherwise each run would find it missing, and write it again."""
    wanted = config.wanted_files(given.spec(), given.made(), {}, {})
    assert set(wanted) == set(config.places(given.spec()))
