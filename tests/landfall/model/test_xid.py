from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.model import xid
from landfall.model.xid import Action, Xid

# In the forms of NVIDIA's documentation and of public reports.
RECORDED = [
    (
        "[ 1042.118734] NVRM: Xid (PCI:0000:97:00): 79, pid='<unknown>', name=<unknown>, "
        "GPU has fallen off the bus.",
        Xid(code=79, device="0000:97:00"),
    ),
    (
        "NVRM: Xid (PCI:0000:b9:00): 94, pid=1234, name=python, Contained: SM (0x1). RST: No",
        Xid(code=94, device="0000:b9:00"),
    ),
    (
        "kernel: NVRM: Xid (PCI:0000:53:00.0): 119, pid=2871, Timeout after 45s of waiting for RPC",
        Xid(code=119, device="0000:53:00.0"),
    ),
    ("[...] NVRM: Xid (0000:03:00): 14, Channel 00000001", Xid(code=14, device="0000:03:00")),
    ("NVRM: GPU at PCI:0000:97:00: GPU-b850f46d-d5ea-c752-ddf3-c4453e44d3f7", None),
    ("NVRM: GPU 0000:97:00.0: RmInitAdapter failed! (0x26:0x56:1474)", None),
    ("nvidia-nvswitch3: SXid (PCI:0000:c7:00.0): 12028, Non-fatal, Link 32 egress", None),
    ("", None),
]


@pytest.mark.parametrize(("line", "expected"), RECORDED)
def test_recorded_lines(line: str, expected: Xid | None) -> None:
    assert xid.parse(line) == expected


@given(
    code=st.integers(0, 9999),
    device=st.from_regex(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}(\.[0-7])?", fullmatch=True),
    before=st.text(alphabet=st.characters(exclude_characters="N"), max_size=40),
    after=st.sampled_from(["", ", pid=1", " , name=x: 79", ", NVRM: Xid (PCI:0000:00:00): 79"]),
)
def test_whatever_stands_around_it(code: int, device: str, before: str, after: str) -> None:
    line = f"{before}NVRM: Xid (PCI:{device}): {code}{after}"
    assert xid.parse(line) == Xid(code=code, device=device)


@given(st.text())
def test_any_text_is_a_line(line: str) -> None:
    found = xid.parse(line)
    assert found is None or "NVRM: Xid" in line


def test_the_codes_after_which_aws_replaces_a_machine() -> None:
    agent = (
        "46,48,54,62,63,64,74,79,95,109,110,119,120,136,140,142,143,151,155,156,158"  # EKS's agent
    )
    assert xid.fatal() == tuple(int(code) for code in agent.split(","))


def test_an_unknown_code_is_watched() -> None:
    assert xid.action(999) is Action.MONITOR
    assert xid.action(31) is Action.MONITOR


def test_the_worst_of_a_log() -> None:
    lines = [line for line, _ in RECORDED]
    assert xid.worst(lines) == Xid(code=79, device="0000:97:00")
    assert xid.worst(lines[1:2]) == Xid(code=94, device="0000:b9:00")
    assert xid.worst([]) is None
