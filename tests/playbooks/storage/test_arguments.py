"""Wrong types and unknown keys are refused before any task runs."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from landfall.errors import InvalidInput
from landfall.model.array import Array
from landfall.model.environment import ROOT
from landfall.model.parsing import parse

ROLE = ROOT / "playbooks/roles/storage"
SPECS = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
ARRAY = Array(members=("S1", "S2", "S3", "S4")).model_dump(mode="json")
GOOD: dict[str, Any] = {
    "storage_array": ARRAY,
    "storage_disks": [{"serial": f"S{n}", "size_gb": 960, "model": None} for n in range(1, 5)],
    "storage_escrow_certificate": "escrow.pem",
}


def errors(values: dict[str, Any]) -> str:
    found = ArgumentSpecValidator(SPECS["main"]["options"]).validate(deepcopy(values))
    return "\n".join(found.error_messages)


def test_what_the_model_gives_is_accepted() -> None:
    assert errors(GOOD) == ""


WRONG = [
    ({"members": {"first": "S1"}}, "members"),
    ({"members": None}, "members"),
    ({"chunk_kib": 100}, "chunk_kib"),
    ({"chunk_kib": "large"}, "chunk_kib"),
    ({"bitmap": "external"}, "bitmap"),
    ({"sector_bytes": 520}, "sector_bytes"),
    ({"unlock": "password"}, "unlock"),
    ({"pcrs": ["seven"]}, "pcrs"),
    ({"workqueues": True}, "workqueues"),
    ({"raid": 10}, "raid"),
]


@pytest.mark.parametrize(("changed", "named"), WRONG, ids=str)
def test_a_wrong_array_is_refused(changed: dict[str, Any], named: str) -> None:
    array = {name: value for name, value in {**ARRAY, **changed}.items() if value is not None}
    assert named in errors({**GOOD, "storage_array": array})


@pytest.mark.parametrize("disk", [{"size_gb": 960}, {"serial": "S1", "size_gb": "a lot"}, "S1"])
def test_a_wrong_disk_is_refused(disk: object) -> None:
    assert "storage_disks" in errors({**GOOD, "storage_disks": [disk]})


@pytest.mark.parametrize("name", sorted(GOOD))
def test_what_is_required_must_be_there(name: str) -> None:
    assert name in errors({key: value for key, value in GOOD.items() if key != name})


def test_the_role_and_the_model_have_the_same_fields_and_defaults() -> None:
    options = SPECS["main"]["options"]["storage_array"]["options"]
    assert set(options) == set(Array.model_fields)
    defaults = {name: each["default"] for name, each in options.items() if "default" in each}
    assert {name: ARRAY[name] for name in defaults} == defaults


def test_every_default_is_declared_and_the_other_way_round() -> None:
    written = set(yaml.safe_load((ROLE / "defaults/main.yml").read_text()))
    declared = {name for each in SPECS.values() for name in each["options"]}
    needed = {"storage_array", "storage_disks", "storage_failed", "storage_new"}
    assert declared - written == needed | {"storage_recovery_key"}
    assert written <= declared


@pytest.mark.parametrize(
    "changed",
    [
        {"mount_options": ["noatime,dev"]},
        {"mount_options": ["noatime 0"]},
        {"scrub": "daily\nExecStart=x"},
        {"mount": "/"},
        {"mount": "srv/data"},
        {"name": "a-very-long-name"},
        {"members": ["S1", "S2", "S3"]},
        {"members": ["S1", "S2", "S3", "S4", "S5"]},
        {"members": ["S1", "S2", "S3", "S3"]},
        {"spares": ["S1"]},
        {"chunk": 512},
        {"pcrs": [24]},
    ],
    ids=str,
)
def test_a_line_of_fstab_or_a_unit_cannot_be_broken_from_the_inventory(
    changed: dict[str, Any],
) -> None:
    with pytest.raises(InvalidInput):
        parse(Array, {"members": ["S1", "S2", "S3", "S4"], **changed}, source="host_vars")
