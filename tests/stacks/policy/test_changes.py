"""What holds data is not lost without being named."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from landfall.model.change import SEVERITY_OF, Change, Half, Kind
from stacks.policy.changes import forbidden
from stacks.policy.settings import PolicySettings
from tests.stacks.policy.cases import strict

TODAY = date(2026, 11, 21)
BUCKET = "aws:s3/bucket:Bucket"
NAMED = {
    "rule": "stateful-replacement",
    "resource": f"{BUCKET}::models",
    "reason": "moved to the new account",
    "expires": TODAY,
}


def change(kind: Kind, token: str = BUCKET, half: Half = Half.CLOUD) -> Change:
    return Change(
        id=f"cloud:{token}:models",
        environment="prod",
        half=half,
        target=f"{token} models",
        kind=kind,
        severity=SEVERITY_OF[kind],
        summary=kind.value,
        reasons=("bucket changed",),
    )


def judged(changed: Change, **settings: Any) -> list[str]:
    limits: PolicySettings = strict(settings)
    return list(forbidden([changed], limits, today=TODAY))


@pytest.mark.parametrize("kind", [Kind.REPLACE, Kind.DELETE])
def test_a_loss_is_forbidden(kind: Kind) -> None:
    (said,) = judged(change(kind))
    assert said.startswith(f"stateful-replacement: {BUCKET}::models would be lost by {kind.value}")
    assert "bucket changed" in said


@pytest.mark.parametrize("kind", [Kind.CREATE, Kind.UPDATE, Kind.READ, Kind.UNKNOWN])
def test_what_loses_nothing_is_allowed(kind: Kind) -> None:
    assert judged(change(kind)) == []


def test_what_holds_no_data_may_be_replaced() -> None:
    assert judged(change(Kind.REPLACE, "aws:ec2/route:Route")) == []
    assert judged(change(Kind.DELETE, half=Half.SITE)) == []


def test_a_named_exemption_allows_one_until_its_day() -> None:
    assert judged(change(Kind.REPLACE), exemptions=[NAMED]) == []
    over = {**NAMED, "expires": date(2026, 11, 20)}
    assert len(judged(change(Kind.REPLACE), exemptions=[over])) == 1
    other = {**NAMED, "resource": f"{BUCKET}::datasets"}
    assert len(judged(change(Kind.REPLACE), exemptions=[other])) == 1


def test_an_environment_may_allow_it() -> None:
    assert judged(change(Kind.REPLACE), stateful_replacement=True) == []
