"""What a stack costs a month by list price stays under the environment's cap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from stacks.policy.rule import Finding, Resource, Rule, Severity, Stack
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN

if TYPE_CHECKING:
    from landfall import cost

DEAREST = 3


def check(stack: Stack, settings: PolicySettings) -> Iterator[Finding]:
    """The sum of all list prices; what has no price is told, and not taken for free."""
    # Imported here: the price list is read only where the pack gets to this rule.
    from landfall import cost

    priced = [
        _row(each, settings)
        for kind in stack.types
        if kind.startswith("aws:")
        for each in stack.of(kind)
    ]
    estimate = cost.monthly(priced, cost.Assumptions(training_hours=settings.training_hours))
    cap = settings.monthly_cost_cap_usd
    if estimate.total_usd > cap:
        dearest = list(estimate.by_resource.items())[:DEAREST]
        listed = ", ".join(f"{name} {usd:,.0f}" for name, usd in dearest)
        message = (
            f"costs {estimate.total_usd:,.0f} USD a month at list price and "
            f"{settings.training_hours:g} hours of training; {cap:,.0f} are allowed. "
            f"The dearest: {listed}"
        )
        yield Finding(path="", message=message)
    for each in estimate.unknown:
        if not each.by_use:
            yield Finding(path=f"price of {each.resource}", message=each.reason, undecided=True)


def _row(resource: Resource, settings: PolicySettings) -> cost.Resource:
    from landfall import cost

    region = resource.props.get("region") or resource.provider.get("region")
    return cost.Resource(
        type=resource.type,
        name=resource.name,
        props=_readable(resource.props),
        region=region if isinstance(region, str) else settings.regions[0],
    )


def _readable(value: Any) -> Any:
    """Properties with the text that `landfall.cost` takes for a value that is not known yet."""
    if isinstance(value, Mapping):
        return {name: _readable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_readable(each) for each in value]
    return repr(UNKNOWN) if value is UNKNOWN else value


RULE = Rule(
    name="monthly-cost-cap",
    description="The stack's monthly list price is under the environment's cap.",
    severity=Severity.HIGH,
    supports=("SC-5", "CM-2", "DORA 28"),
    remedy="Take away what is not needed, or have the environment's cap reviewed.",
    unknown="what has no price is told; what is billed by use is not counted",
    check_stack=check,
)
