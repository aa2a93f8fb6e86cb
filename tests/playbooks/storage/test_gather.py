"""What programs say becomes facts; a member of an array that runs is asked about once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from playbooks.plugins.module_utils.landfall_storage.facts import Luks, Signature, Token
from playbooks.plugins.module_utils.landfall_storage.gather import luks, signatures, unit_states
from tests.playbooks.storage.given import LUKS, OURS

DISK = "/dev/nvme0n1"

UNITS = """UnitFileState=enabled
ActiveState=active

UnitFileState=
ActiveState=inactive

ActiveState=inactive
UnitFileState=disabled
"""

DUMP = f"""LUKS header information
Version:       \t2
Epoch:         \t6
Metadata area: \t16384 [bytes]
UUID:          \t{LUKS}
Label:         \tdata
Flags:       \tno-read-workqueue no-write-workqueue

Data segments:
  0: crypt
\toffset: 16777216 [bytes]

Tokens:
  0: landfall-recovery
\tUUID: none of the header's
"""

METADATA = json.dumps(
    {
        "keyslots": {"0": {}, "1": {}},
        "tokens": {
            "0": {"type": "landfall-recovery", "keyslots": ["0"]},
            "1": {"type": "systemd-tpm2", "keyslots": ["1"], "tpm2-pcrs": [7]},
        },
        "segments": {"0": {"sector_size": 4096}},
    }
)


@dataclass
class Programs:
    """Answers by program, or by its whole command line; remembers what was asked."""

    answers: dict[str, tuple[int, str]]
    asked: list[str] = field(default_factory=list)

    def __call__(self, argv: Sequence[str]) -> tuple[int, str, str]:
        line = " ".join(argv)
        self.asked.append(argv[0])
        code, out = self.answers.get(line) or self.answers[argv[0]]
        return code, out, "" if code == 0 else "input/output error"


def wipefs(*found: tuple[str, str]) -> tuple[int, str]:
    return 0, json.dumps({"signatures": [{"type": kind, "uuid": uuid} for kind, uuid in found]})


def test_a_member_of_an_array_that_runs_is_not_looked_at_twice() -> None:
    run = Programs({"wipefs": wipefs(("linux_raid_member", OURS))})
    found = signatures(run, "nvme0n1", {OURS})
    assert found == [Signature(where=DISK, kind="linux_raid_member", uuid=OURS)]
    assert run.asked == ["wipefs"]


def test_a_member_of_another_array_is() -> None:
    run = Programs({"wipefs": wipefs(("linux_raid_member", "other")), "blkid": (0, "")})
    signatures(run, "nvme0n1", {OURS})
    assert run.asked == ["wipefs", "blkid"]


def test_what_stands_beside_the_array_is_seen() -> None:
    both = wipefs(("linux_raid_member", OURS), ("xfs", "1"))
    found = signatures(Programs({"wipefs": both, "blkid": (8, "")}), "nvme0n1", {OURS})
    assert [each.kind for each in found] == ["linux_raid_member", "xfs", "more than one signature"]


def test_what_wipefs_does_not_know_blkid_may() -> None:
    answers = {"wipefs": (0, ""), "blkid": (0, "TYPE=ceph_bluestore\nUUID=2\n")}
    found = signatures(Programs(answers), "nvme0n1", set())
    assert found == [Signature(where=DISK, kind="ceph_bluestore", uuid="2")]


def test_a_disk_that_cannot_be_read_is_not_empty() -> None:
    [found] = signatures(Programs({"wipefs": (1, "")}), "nvme0n1", set())
    assert found.kind == "unreadable (input/output error)"


def test_units_are_asked_for_together() -> None:
    run = Programs({"systemctl": (0, UNITS)})
    states = {"a.timer": "enabled active", "gone.timer": "inactive", "c": "disabled inactive"}
    assert unit_states(run, list(states)) == states
    assert run.asked == ["systemctl"]
    assert unit_states(Programs({}), []) == {}


def test_a_header_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "there")
    answers = {
        "cryptsetup luksDump /dev/md127": (0, DUMP),
        "cryptsetup luksDump --dump-json-metadata /dev/md127": (0, METADATA),
    }
    assert luks(Programs(answers), "/dev/md127") == Luks(
        uuid=LUKS,
        epoch=6,
        sector_bytes=4096,
        slots=("0", "1"),
        tokens=(
            Token(kind="landfall-recovery", slots=("0",), pcrs=()),
            Token(kind="systemd-tpm2", slots=("1",), pcrs=(7,)),
        ),
    )
