from __future__ import annotations

import io
import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from landfall.model.change import (
    SEVERITY_OF,
    Change,
    Detail,
    ExitCode,
    Half,
    Kind,
    Report,
    exit_code,
)
from landfall.preview import document, markdown, terminal
from landfall.preview.digest import digest
from landfall.preview.mask import mask, mask_text
from landfall.preview.order import worst_first

CANARY = "canary-7f3a9b2c"


def change(
    number: int = 0, kind: Kind = Kind.UPDATE, half: Half = Half.CLOUD, **more: object
) -> Change:
    made = Change(
        id=f"{half}:{number}",
        environment="dev",
        half=half,
        target=f"thing-{number}",
        kind=kind,
        severity=SEVERITY_OF[kind],
        summary=f"thing {number} changes",
    )
    return replace(made, **more)  # type: ignore[arg-type]


def report(*changes: Change, **more: object) -> Report:
    made = Report(
        environment="dev", compared_with="the state", changes=changes, unchanged={Half.CLOUD: 4}
    )
    return replace(made, **more)  # type: ignore[arg-type]


changes = st.lists(
    st.builds(
        lambda number, kind, half, text: change(number, kind, half, summary=text, diff=text),
        st.integers(0, 99),
        st.sampled_from(Kind),
        st.sampled_from(Half),
        st.text(max_size=200),
    ),
    max_size=20,
)


@given(changes)
def test_worst_first_is_stable_and_complete(found: list[Change]) -> None:
    ordered = worst_first(found)
    assert ordered == worst_first(reversed(ordered)) or len({c.id for c in found}) < len(found)
    assert sorted(c.id for c in ordered) == sorted(c.id for c in found)
    assert [c.severity for c in ordered] == sorted((c.severity for c in found), reverse=True)


@given(changes, st.integers(800, 5000))
def test_a_comment_never_exceeds_its_limit_but_for_what_must_be_seen(
    found: list[Change], limit: int
) -> None:
    text = markdown.write(report(*found), digest="d" * 64, limit=limit)
    head = markdown.write(report(*found), digest="d" * 64, limit=0)
    assert len(text.encode()) <= max(limit, len(head.encode())) + 100


@given(st.text(alphabet="`@<>&|*_[]#\\ abc\n", max_size=80))
def test_nothing_in_a_change_breaks_out(text: str) -> None:
    written = markdown.write(
        report(change(summary=text, target=text, diff=text, reasons=(text,))), digest="d" * 64
    )
    assert written.count("<details") == written.count("</details>") == 1
    outside = [line for line in written.splitlines() if line.startswith(("**", "- **"))]
    assert all("<script" not in line for line in outside)
    fences = [line for line in written.splitlines() if line.lstrip().startswith("```")]
    assert len(fences) % 2 == 0 or any(len(line) > 3 for line in fences)


def test_what_could_not_be_looked_at_is_not_called_unchanged() -> None:
    written = markdown.write(report(), digest="d" * 64)
    assert "| cloud (Pulumi) |  |  |  |  |  | 4 |" in written
    assert "| site (Ansible) |  |  |  |  |  | not looked at |" in written


def test_replacements_and_unknowns_come_first() -> None:
    written = markdown.write(
        report(
            change(1),
            change(2, Kind.REPLACE, reasons=("cidrBlock changed",)),
            change(3, Kind.UNKNOWN, Half.SITE),
        ),
        digest="d" * 64,
    )
    assert written.splitlines()[1] == (
        "## Preview of dev: 1 destructive, 1 cannot be previewed, 1 other change"
    )
    look = written.split("### Look at these first")[1].split("<details")[0]
    assert "**replace** `thing-2`: cidrBlock changed" in look
    assert "**unknown** `thing-3`" in look
    assert "thing-1" not in look


def test_exit_codes() -> None:
    assert exit_code(report()) is ExitCode.NOTHING
    assert exit_code(report(change(0, Kind.READ))) is ExitCode.NOTHING
    assert exit_code(report(change())) is ExitCode.CHANGES
    assert exit_code(report(change(), change(1, Kind.DELETE))) is ExitCode.DESTRUCTIVE
    assert exit_code(report(change(0, Kind.UNKNOWN), change(1, Kind.DELETE))) is ExitCode.UNKNOWN
    assert exit_code(report(policy_failures=("x",))) is ExitCode.POLICY


def test_a_secret_is_masked_in_every_field_and_writer() -> None:
    leaky = report(
        change(
            summary=f"uses {CANARY}",
            target="t",
            reasons=(CANARY,),
            details=(Detail(path="p", before=CANARY, after=f"x{CANARY}y"),),
            diff=f"+{CANARY}",
        ),
        notes=(CANARY,),
        policy_failures=(CANARY,),
    )
    masked = mask(leaky, [CANARY])
    console = Console(file=io.StringIO(), width=200)
    terminal.write(masked, console, digest="d" * 64)
    file = console.file
    assert isinstance(file, io.StringIO)
    texts = [
        markdown.write(masked, digest="d" * 64),
        document.write(masked, digest="d" * 64),
        file.getvalue(),
    ]
    assert all(CANARY not in text for text in texts)
    assert all("secret" in text for text in texts)


def test_forms_of_secrets_are_masked() -> None:
    for text in (
        "AKIAABCDEFGHIJKLMNOP",
        "psk: abcdef",
        "Authorization: Bearer abcdefghijklmnop",
        "-----BEGIN EC PRIVATE KEY-----\nxyz\n-----END EC PRIVATE KEY-----",
    ):
        assert "[secret]" in mask_text(text), text
    assert mask_text("an ordinary sentence about secrets") == "an ordinary sentence about secrets"


def test_the_digest_follows_changes_and_context_not_order() -> None:
    one, two = report(change(1), change(2)), report(change(2), change(1))
    assert digest(one, {"commit": "a"}) == digest(two, {"commit": "a"})
    assert digest(one, {"commit": "a"}) != digest(one, {"commit": "b"})
    assert digest(one, {}) != digest(report(change(1)), {})


def test_the_document_is_whole() -> None:
    value = json.loads(document.write(report(change(), change(1, Kind.REPLACE)), digest="d" * 64))
    assert value["exit_code"] == 11
    assert [each["severity"] for each in value["changes"]] == ["destructive", "normal"]
