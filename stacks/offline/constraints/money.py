"""Budgets and their actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from landfall.errors import Problem
from stacks.offline.constraints.view import View

BUDGET, ACTION = "aws:budgets/budget:Budget", "aws:budgets/budgetAction:BudgetAction"

MOST_SUBSCRIBERS = 11
"""AWS Budgets API reference, NotificationWithSubscribers: ten mail addresses and one topic."""

DEFINITIONS: Mapping[str, str] = {
    "APPLY_IAM_POLICY": "iamActionDefinition",
    "APPLY_SCP_POLICY": "scpActionDefinition",
    "RUN_SSM_DOCUMENTS": "ssmActionDefinition",
}


def limit(view: View) -> Iterator[Problem]:
    """A budget has an amount above nothing, or a plan."""
    given = view.get("limitAmount")
    if given is not None and _amount(given) <= 0:
        yield Problem(path="limitAmount", message="must be a number above 0")
    if not any(view.has(name) for name in ("limitAmount", "plannedLimits", "autoAdjustData")):
        message = "missing; a budget has an amount, plannedLimits or autoAdjustData"
        yield Problem(path="limitAmount", message=message)


def _amount(given: object) -> float:
    try:
        return float(str(given))
    except ValueError:
        return 0


def subscribers(view: View) -> Iterator[Problem]:
    """A notification reaches somebody."""
    for path, each in view.each("notifications[]"):
        names = ("subscriberEmailAddresses", "subscriberSnsTopicArns")
        given = [each.get(name) for name in names if each.get(name) is not None]
        counts = [len(value) for value in given if isinstance(value, list)]
        if len(counts) == len(given) and not 0 < sum(counts) <= MOST_SUBSCRIBERS:
            message = f"must have 1 to {MOST_SUBSCRIBERS} subscribers"
            yield Problem(path=path, message=message)


def definition(view: View) -> Iterator[Problem]:
    """An action is defined as its type says."""
    wanted = DEFINITIONS.get(str(view.get("actionType")))
    given = view.get("definition")
    if wanted and isinstance(given, dict) and not given.get(wanted):
        yield Problem(path=f"definition.{wanted}", message="missing; actionType asks for it")


RULES = {BUDGET: (limit, subscribers), ACTION: (definition,)}
