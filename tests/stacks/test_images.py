"""Who may push and pull images."""

from __future__ import annotations

import pytest

from stacks.images import repository_policy
from tests.stacks.iam import allowed

OWN, BUILD, OTHER = "111122223333", "444455556666", "999900001111"


@pytest.mark.parametrize(
    ("build_account", "caller", "pushes", "pulls"),
    [
        (BUILD, BUILD, True, False),
        (BUILD, OWN, False, True),
        (BUILD, OTHER, False, False),
        (None, OWN, True, True),
        (None, OTHER, False, False),
    ],
)
def test_who_pushes_and_pulls(
    build_account: str | None, caller: str, pushes: bool, pulls: bool
) -> None:
    document = repository_policy(OWN, build_account=build_account)
    context = {"aws:PrincipalAccount": caller}
    assert allowed(document, action="ecr:PutImage", context=context) is pushes
    assert allowed(document, action="ecr:BatchGetImage", context=context) is pulls


@pytest.mark.parametrize("action", ["ecr:DeleteRepository", "ecr:BatchDeleteImage"])
def test_the_policy_lets_nobody_delete(action: str) -> None:
    document = repository_policy(OWN, build_account=BUILD)
    assert not allowed(document, action=action, context={"aws:PrincipalAccount": BUILD})
