"""Replacing and growing: one disk at a time, the right one, and twice is once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from playbooks.plugins.module_utils.landfall_storage import (
    change,
    journal,
    plan,
    refuse,
    reseal,
    verify,
)
from playbooks.plugins.module_utils.landfall_storage.facts import Facts, Filesystem, Token
from playbooks.plugins.module_utils.landfall_storage.plan import Plan
from playbooks.plugins.module_utils.landfall_storage.spec import Promise, Spec
from tests.playbooks.storage import given

NEW = Promise(serial="S9", size_gb=960, model=given.MODEL)


def spec(**changed: Any) -> Spec:
    """The inventory after S2 was replaced by S9 in it."""
    base = given.spec(members=("S1", "S9", "S3", "S4"))
    disks = {serial: each for serial, each in base.disks.items() if serial != "S2"}
    return replace(base, **{"disks": {**disks, "S9": NEW}, **changed})


def facts(*, old: bool = False, faulty: bool = False, **new: Any) -> Facts:
    """A host whose disk S2 is gone (or there, or faulty) and that has a new disk S9."""
    base = given.with_data()
    disks = [each for each in base.disks if old or faulty or each.serial != "S2"]
    members = dict(base.arrays[0].members)
    if faulty:
        members["nvme2n1"] = "faulty"
    elif not old:
        del members["nvme2n1"]
    array = given.array(members=members, degraded=0 if old else 1)
    return replace(base, disks=(*disks, given.disk(9, **new)), arrays=(array,))


def commands(found: Plan) -> list[str]:
    assert found.problems == ()
    return [" ".join(command) for step in found.steps for command in step.commands]


def test_a_disk_that_is_gone_is_rebuilt_from_its_mirror() -> None:
    assert commands(change.replace(spec(), facts(), old="S2", new="S9")) == [
        "mdadm --manage /dev/md127 --add /dev/nvme9n1"
    ]


def test_a_faulty_disk_leaves_before_the_new_one_comes() -> None:
    assert commands(change.replace(spec(), facts(faulty=True), old="S2", new="S9")) == [
        "mdadm --manage /dev/md127 --remove /dev/nvme2n1",
        "mdadm --manage /dev/md127 --add /dev/nvme9n1",
    ]


def test_a_disk_that_still_runs_is_copied() -> None:
    assert commands(change.replace(spec(), facts(old=True), old="S2", new="S9")) == [
        "mdadm --manage /dev/md127 --add /dev/nvme9n1",
        "mdadm --manage /dev/md127 --replace /dev/nvme2n1 --with /dev/nvme9n1",
    ]


def test_a_second_run_does_nothing() -> None:
    there = facts(md_uuid=given.OURS, held_by=("md127",))
    members = {**there.arrays[0].members, "nvme9n1": "in_sync"}
    journal = replace(given.made(), members=("S1", "S9", "S3", "S4"))
    after = replace(there, arrays=(given.array(members=members, degraded=0),), journal=journal)
    assert change.replace(spec(), after, old="S2", new="S9").steps == ()


WRONG: list[tuple[str, dict[str, Any], dict[str, Any], str, str, str]] = [
    ("same disk", {}, {}, "S9", "S9", "are both S9"),
    ("inventory not edited", {"members": given.MEMBERS}, {}, "S2", "S9", "S2 still stands"),
    ("new not in it", {"members": ("S1", "S3", "S4", "S7")}, {}, "S2", "S9", "S9 does not stand"),
    ("neither known", {}, {}, "S7", "S8", "S7 is not in the array, which has S1"),
    ("two at once", {"members": ("S9", "S8", "S3", "S4")}, {}, "S2", "S9", "S1, S8 changed as"),
    ("not there", {}, {"serial": "S10"}, "S2", "S9", "no disk has the serial number S9"),
    ("too small", {}, {"size_bytes": 958 * given.GB}, "S2", "S9", "S9 has 958000000000 bytes"),
    ("wrong size", {}, {"size_bytes": 480 * given.GB}, "S2", "S9", "promises 960"),
    ("not empty", {}, {"md_uuid": given.THEIRS}, "S2", "S9", "S9 (/dev/nvme9n1) is not empty"),
    ("in use", {}, {"in_use": ("mounted at /mnt",)}, "S2", "S9", "is in use: mounted at /mnt"),
    ("wrong model", {}, {"model": "x"}, "S2", "S9", "S9 is a x, the inventory promises a FAST"),
]


@pytest.mark.parametrize(
    ("inventory", "disk", "old", "new", "says"),
    [each[1:] for each in WRONG],
    ids=[each[0] for each in WRONG],
)
def test_a_wrong_replacement_is_refused(
    inventory: dict[str, Any], disk: dict[str, Any], old: str, new: str, says: str
) -> None:
    found = change.replace(spec(**inventory), facts(**disk), old=old, new=new)
    assert found.steps == ()
    assert any(says in problem for problem in found.problems), found.problems


def grown(**changed: Any) -> tuple[Spec, Facts]:
    base = given.spec()
    more = {
        serial: Promise(serial=serial, size_gb=960, model=given.MODEL) for serial in ("S6", "S7")
    }
    wanted = replace(base, members=(*given.MEMBERS, "S6", "S7"), disks={**base.disks, **more})
    there = given.with_data()
    disks = (*there.disks, given.disk(6, **changed), given.disk(7))
    return wanted, replace(there, disks=disks)


def test_growing_takes_in_a_pair() -> None:
    assert commands(change.grow(*grown())) == [
        "mdadm --manage /dev/md127 --add /dev/nvme6n1",
        "mdadm --manage /dev/md127 --add /dev/nvme7n1",
        "mdadm --grow /dev/md127 --raid-devices=6",
    ]


def test_an_array_that_is_large_enough_is_not_grown() -> None:
    assert change.grow(given.spec(), given.with_data()).steps == ()


def test_growing_waits_for_what_is_wrong() -> None:
    wanted, there = grown(signatures=(given.signature("xfs 1", "/dev/nvme6n1"),))
    degraded = replace(there, arrays=(given.array(degraded=1, action="recover"),))
    said = "\n".join(change.grow(wanted, degraded).problems)
    for expected in ("S6 (/dev/nvme6n1) is not empty", "runs without 1", "recover is running"):
        assert expected in said


def test_a_growth_that_has_begun_is_only_waited_for() -> None:
    wanted, there = grown(md_uuid=given.OURS)
    members = dict.fromkeys((f"nvme{n}n1" for n in range(1, 8)), "in_sync")
    running = given.array(wanted=6, action="reshape", members=members)
    disks = tuple(replace(each, md_uuid=given.OURS) for each in there.disks)
    noted = replace(given.made(), members=wanted.members)
    found = change.grow(wanted, replace(there, disks=disks, arrays=(running,), journal=noted))
    assert found == Plan(journal=noted)


def test_a_growth_that_lost_its_power_goes_on() -> None:
    wanted, there = grown(md_uuid=given.OURS)
    disks = tuple(replace(each, md_uuid=given.OURS) for each in there.disks)
    waits = given.array(wanted=6, state="read-auto")
    found = change.grow(wanted, replace(there, disks=disks, arrays=(waits,)))
    assert commands(found) == ["mdadm --readwrite /dev/md127"]


def test_a_header_that_a_waiting_array_cannot_read_is_not_to_be_restored() -> None:
    for state, advice in (("clean", "The header is damaged"), ("read-auto", "--tags grow")):
        there = given.with_data(arrays=(given.array(state=state),), luks=None)
        [problem] = refuse.problems(given.spec(), there)
        assert advice in problem


def test_a_disk_that_was_noted_but_never_came_in_is_looked_at_again() -> None:
    wanted, there = grown(signatures=(given.signature("xfs 1", "/dev/nvme6n1"),))
    noted = replace(given.made(), members=wanted.members)
    [problem] = change.grow(wanted, replace(there, journal=noted)).problems
    assert problem.startswith("S6 (/dev/nvme6n1) is not empty")


def test_resealing_tries_the_key_first_and_takes_away_what_opened_before() -> None:
    luks = given.header(
        tokens=(
            Token(kind="landfall-recovery", slots=("0",), pcrs=()),
            Token(kind="clevis", slots=("1",), pcrs=()),
        )
    )
    found = reseal.reseal(given.spec(), given.with_data(luks=luks))
    said = commands(found)
    assert said[0].startswith("cryptsetup open --test-passphrase --key-file={key} --key-slot=0")
    assert said[1].startswith("systemd-cryptenroll --wipe-slot=tpm2 --tpm2-device=auto")
    assert said[2].startswith("clevis luks unbind")


VERIFIED = given.with_data(
    filesystem=Filesystem(
        kind="xfs", uuid=given.XFS, mounted_at="/srv/data", options=("rw", "noatime")
    )
)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"arrays": (given.array(degraded=1),)}, "runs without 1 of its disks"),
        ({"arrays": ()}, "the array does not run"),
        ({"luks": given.header(epoch=7)}, "its header has changed since it was backed up"),
        ({"luks": given.header(tokens=())}, "no recovery key opens it"),
        ({"mapping": ""}, "not open"),
        ({"filesystem": None}, "/srv/data: not mounted"),
        ({"key_in_memory": True}, "the recovery key is still in memory"),
        ({"units": {"a.timer": "disabled inactive"}}, "a.timer: disabled inactive"),
    ],
)
def test_what_is_not_as_promised_is_told(changed: dict[str, Any], says: str) -> None:
    units = ("a.timer",)
    good = replace(VERIFIED, units={"a.timer": "enabled active"})
    assert list(verify.problems(given.spec(), good, units)) == []
    found = list(verify.problems(given.spec(), replace(good, **changed), units))
    assert any(says in each for each in found), found


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({}, True),
        ({"action": "recover"}, False),
        ({"degraded": 1, "members": {"a": "in_sync", "b": "spare"}}, False),  # about to begin
        ({"degraded": 1, "members": {"a": "in_sync"}}, True),
        ({"members": {"a": "in_sync,want_replacement", "b": "spare"}}, False),
    ],
    ids=str,
)
def test_waiting_ends_when_nothing_more_happens(changed: dict[str, Any], wanted: bool) -> None:
    assert verify.settled(given.array(**changed)) is wanted


def test_a_new_spare_is_added_and_named_in_the_escrow() -> None:
    wanted = spec(members=given.MEMBERS, spares=("S5", "S9"))
    wanted = replace(wanted, disks={**given.spec().disks, "S9": NEW})
    there = given.with_data()
    there = replace(there, disks=(*there.disks, given.disk(9)))
    fresh = journal.fresh(wanted.members, wanted.spares)
    steps = plan.plan(wanted, there, fresh=fresh, rendered={}).of(plan.MAKE)
    assert [step.special for step in steps] == ["members", "header"]
    assert steps[0].commands == (
        ("mdadm", "--manage", "/dev/md127", "--add-spare", "/dev/nvme9n1"),
    )
