"""Every wrong inventory and every disk with something on it is refused, with the reason."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from playbooks.plugins.module_utils.landfall_storage import journal, ladder, plan, wipe
from playbooks.plugins.module_utils.landfall_storage.facts import Facts, Filesystem
from playbooks.plugins.module_utils.landfall_storage.spec import Promise, Spec
from tests.playbooks.storage import given

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "ladder.toml").read_text(encoding="utf-8")
)["case"]
NAMES = {"theirs": given.THEIRS, "ours": given.OURS}


def spec_of(case: dict[str, Any]) -> Spec:
    base = given.spec()
    fields = ("members", "spares", "pcrs", "twice")
    changed: dict[str, Any] = {name: tuple(case[name]) for name in fields if name in case}
    changed |= {
        name: case[name] for name in ("unlock", "chunk_kib", "sector_bytes") if name in case
    }
    promised = {
        serial: Promise(serial=serial, size_gb=size, model=given.MODEL)
        for serial, size in case.get("promised", {}).items()
    }
    if case.get("tang") is False:
        changed["tang"] = ()
    return replace(base, disks={**base.disks, **promised}, **changed)


def facts_of(case: dict[str, Any]) -> Facts:
    written = case.get("journal")
    base = given.with_data() if written == "complete" else given.facts()
    disks = {str(number): each for number, each in enumerate(base.disks, 1)}
    for number, said in case.get("disk", {}).items():
        disks[number] = disk_of(disks.get(number, given.disk(int(number))), dict(said))
    changed: dict[str, Any] = {
        "disks": tuple(each for each in disks.values() if each.path),
        "others": tuple(case.get("others", ())),
        "tpm": case.get("tpm", True),
    }
    if written == "begun":
        changed["journal"] = given.made(finished=(), begun="create")
    if "arrays" in case:
        changed["arrays"] = tuple(
            given.array(
                uuid=given.THEIRS, name=each["name"], held_by=tuple(each.get("held_by", ()))
            )
            for each in case["arrays"]
        )
    if "luks" in case:
        uuid = NAMES.get(case["luks"], "")
        changed["luks"] = given.header(uuid=uuid) if uuid else None
    if "mapping" in case:
        changed["mapping"] = NAMES[case["mapping"]]
    if "filesystem" in case:
        kind, uuid = case["filesystem"].split()
        changed["filesystem"] = Filesystem(kind=kind, uuid=uuid, mounted_at="", options=())
    return replace(base, **changed)


def disk_of(base: Any, said: dict[str, Any]) -> Any:
    if said.pop("absent", False):
        return replace(base, path="")
    if "size_gb" in said:
        said["size_bytes"] = said.pop("size_gb") * given.GB
    if "md_uuid" in said:
        said["md_uuid"] = NAMES.get(said["md_uuid"], said["md_uuid"])
        if not said["md_uuid"]:
            said["signatures"] = []
    if "signatures" in said:
        said["signatures"] = tuple(
            given.signature(NAMES_IN(text.partition("@")[0]), base.path + text.partition("@")[2])
            for text in said["signatures"]
        )
    for name in ("in_use", "held_by"):
        if name in said:
            said[name] = tuple(said[name])
    return replace(base, **said)


def NAMES_IN(text: str) -> str:  # noqa: N802  a table's lookup
    kind, _, uuid = text.partition(" ")
    return f"{kind} {NAMES.get(uuid, uuid)}".strip()


def planned(spec: Spec, facts: Facts) -> plan.Plan:
    fresh = journal.fresh(spec.members, spec.spares)
    return plan.plan(spec, facts, fresh=fresh, rendered={})


def test_there_are_many() -> None:
    assert len(CASES) >= 30
    assert len({case["name"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_it_is_refused_and_says_why(case: dict[str, Any]) -> None:
    found = planned(spec_of(case), facts_of(case))
    assert found.steps == ()
    said = "\n".join(found.problems).replace(given.THEIRS, "theirs")
    assert case["says"] in said


def test_what_they_all_start_from_is_not_refused() -> None:
    assert planned(given.spec(), given.facts()).problems == ()
    assert planned(given.spec(), given.with_data()).problems == ()


def test_all_problems_are_told_at_once() -> None:
    wrong = given.facts(
        disks=(given.disk(1, size_bytes=1), given.disk(2, model="x"), given.disk(3)), tpm=False
    )
    said = planned(given.spec(), wrong).problems
    assert len(said) == 5  # too small, another model, two that are not there, no TPM


OCCUPIED = given.facts(
    disks=(
        given.disk(1, signatures=(given.signature("ext4 1234", "/dev/nvme1n1"),)),
        *(given.disk(number) for number in range(2, 6)),
    )
)


def test_the_refusal_says_what_would_be_lost_and_what_to_type() -> None:
    said = "\n".join(planned(given.spec(), OCCUPIED).problems)
    confirmation = ladder.confirmation(given.spec(), OCCUPIED, given.spec().serials)
    assert "S1 (/dev/nvme1n1): ext4 1234" in said
    assert f"--limit gpu-1 --extra-vars storage_wipe_confirm={confirmation}" in said
    assert wipe.plan(given.spec(), OCCUPIED, confirmation).problems == ()


def test_a_confirmation_holds_whatever_the_kernel_calls_the_disks() -> None:
    moved = replace(
        OCCUPIED,
        disks=(
            given.disk(
                1,
                path="/dev/nvme8n1",
                signatures=(given.signature("ext4 1234", "/dev/nvme8n1"),),
            ),
            *OCCUPIED.disks[1:],
        ),
    )
    wanted = given.spec()
    assert ladder.confirmation(wanted, moved, wanted.serials) == ladder.confirmation(
        wanted, OCCUPIED, wanted.serials
    )


GOOD = ladder.confirmation(given.spec(), OCCUPIED, given.spec().serials)


@pytest.mark.parametrize(
    ("confirmed", "says"),
    [
        ("", "nothing was confirmed"),
        ("yes", "'yes' is not HOST:DIGEST"),
        (GOOD.replace("gpu-1", "gpu-2"), "names gpu-2, this is gpu-1"),
        (f"{GOOD},{GOOD.replace('gpu-1', 'gpu-2')}", "is not HOST:DIGEST of one host"),
        ("gpu-1:000000000000", "what is on the disks is not what was confirmed"),
        (GOOD.upper(), "names GPU-1"),
    ],
)
def test_a_wrong_confirmation_wipes_nothing(confirmed: str, says: str) -> None:
    found = wipe.plan(given.spec(), OCCUPIED, confirmed)
    assert found.steps == ()
    assert any(says in problem for problem in found.problems)


def test_other_contents_need_another_confirmation() -> None:
    other = replace(
        OCCUPIED,
        disks=(
            given.disk(1, signatures=(given.signature("ext4 9999", "/dev/nvme1n1"),)),
            *OCCUPIED.disks[1:],
        ),
    )
    assert wipe.plan(given.spec(), other, GOOD).steps == ()


def test_only_disks_with_something_on_them_are_wiped() -> None:
    steps = wipe.plan(given.spec(), OCCUPIED, GOOD).steps
    touched = {word for step in steps for command in step.commands for word in command}
    assert {word for word in touched if word.startswith("/dev/")} == {"/dev/nvme1n1"}


def test_an_idle_array_is_stopped_before_its_disks_are_wiped() -> None:
    theirs = tuple(
        given.disk(number, md_uuid=given.THEIRS, held_by=("md5",)) for number in range(1, 6)
    )
    there = given.facts(disks=theirs, arrays=(given.array(uuid=given.THEIRS, name="md5"),))
    confirmed = ladder.confirmation(given.spec(), there, given.spec().serials)
    steps = wipe.plan(given.spec(), there, confirmed).steps
    assert steps[0].commands == (("mdadm", "--stop", "/dev/md5"),)


def test_a_mounted_disk_is_not_wiped_whatever_is_confirmed() -> None:
    there = given.with_data()
    confirmed = ladder.confirmation(given.spec(), there, given.spec().serials)
    found = wipe.plan(given.spec(), there, confirmed)
    assert found.steps == ()
    assert any("mounted at /srv/data" in problem for problem in found.problems)
