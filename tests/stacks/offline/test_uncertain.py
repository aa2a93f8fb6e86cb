"""What the table does not know is doubted, and nothing else."""

from __future__ import annotations

import pytest

from stacks.offline import doubts, semantics
from stacks.offline.uncertain import pattern_of

BUCKET, ELSEWHERE = "aws:s3/bucket:Bucket", "aws:ec2/ami:Ami"


@pytest.mark.parametrize(
    ("token", "operation", "doubted"),
    [
        (ELSEWHERE, "update", True),
        (ELSEWHERE, "create", True),
        (ELSEWHERE, "delete", False),
        (ELSEWHERE, "replace", False),
        (ELSEWHERE, "same", False),
        (BUCKET, "update", False),
        (BUCKET, "create", False),
        ("pulumi:providers:aws", "update", False),
        ("kubernetes:apps/v1:Deployment", "update", False),
        ("landfall:network:Network", "create", False),
    ],
)
def test_types(token: str, operation: str, doubted: bool) -> None:
    assert bool(doubts(token, operation, ["name"])) is doubted


def unverified() -> list[tuple[str, str]]:
    types = semantics.table()["types"]
    return [(token, path) for token in types for path in semantics.rules(token).unverified]


@pytest.mark.parametrize(("token", "path"), sorted(unverified())[:5])
def test_properties_that_nobody_has_verified(token: str, path: str) -> None:
    engine = path.replace("[]", "[3]")
    assert doubts(token, "update", ["tags", engine]) == (
        f"whether a change of {engine} replaces {token} is not known here",
    )
    assert not doubts(token, "create", [engine])


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("ingress[0].fromPort", "ingress[].fromPort"),
        ('tags["a b"]', "tags.a b"),
        ("a[12][3]", "a[][]"),
        ("name", "name"),
    ],
)
def test_patterns(path: str, pattern: str) -> None:
    assert pattern_of(path) == pattern
