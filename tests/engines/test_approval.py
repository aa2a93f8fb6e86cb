"""Two people for prod: who approves is not who wrote, who signs is not who built."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import approval
from engines.approval import Names
from landfall.errors import PolicyViolation

GOOD = Names(author="Ada <ada@a.example>", approver="Bo", builder="build-1", signer="release-key")

REFUSED = {
    "no approver": ({"approver": " "}, "nobody is known who approved it (the approver)"),
    "no author": ({"author": ""}, "nobody is known who wrote the release (the author)"),
    "own approval": ({"approver": "ADA@a.example"}, "wrote the release and approved it"),
    "own signature": ({"signer": "Build-1 "}, "build-1 built the engine and signed it"),
    "no signer": ({"signer": ""}, "nobody is known who signed the engine (the signer)"),
}


def test_four_people_may_release_to_prod() -> None:
    approval.check("prod", GOOD)


@pytest.mark.parametrize("case", REFUSED)
def test_what_prod_refuses(case: str) -> None:
    changes, reason = REFUSED[case]
    with pytest.raises(PolicyViolation) as refused:
        approval.check("prod", dataclasses.replace(GOOD, **changes))
    assert reason in refused.value.message
    assert refused.value.exit_code == 12


def test_all_reasons_at_once() -> None:
    names = Names(author="ada", approver="ada", builder="ada", signer="ada")
    assert len(approval.problems("prod", names)) == 2
    assert len(approval.problems("prod", Names())) == 4


def test_a_builder_cannot_sign_for_prod() -> None:
    approval.check_signing("prod", builder="build-1", signer="Release")
    approval.check_signing("dev", builder="", signer="")
    for builder, reason in (("RELEASE", "another one must sign"), ("", "nobody is known")):
        with pytest.raises(PolicyViolation, match=reason):
            approval.check_signing("prod", builder=builder, signer="Release")


def test_elsewhere_one_person_is_enough() -> None:
    approval.check("dev", Names())
    approval.check("staging", Names(author="ada", approver="ada"))


PEOPLE = ["ada", "Ada <ada>", " ADA ", "bo", ""]


@given(st.sampled_from(list(itertools.product(PEOPLE, repeat=2))))
def test_nobody_approves_their_own(pair: tuple[str, str]) -> None:
    author, approver = pair
    names = dataclasses.replace(GOOD, author=author, approver=approver)
    wanted = author != "" and approver != "" and ("bo" in author) != ("bo" in approver)
    assert (approval.problems("prod", names) == ()) == wanted
