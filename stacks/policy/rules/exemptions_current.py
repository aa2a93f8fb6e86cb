"""An exemption ends on its day."""

from collections.abc import Iterator
from datetime import date

from stacks.policy.rule import Finding, Rule, Severity, Stack
from stacks.policy.settings import PolicySettings


def check(_: Stack, settings: PolicySettings) -> Iterator[Finding]:
    """Each exemption in the environment's policy file still holds."""
    today = date.today()
    for index, each in enumerate(settings.exemptions):
        if each.expires < today:
            message = (
                f"{each.rule} for {each.resource} ended on {each.expires}; remove it, or have it "
                "reviewed and set a new day"
            )
            yield Finding(path=f"exemptions[{index}]", message=message)


RULE = Rule(
    name="exemptions-current",
    description="No exemption in the environment's policy file has ended.",
    severity=Severity.HIGH,
    supports=("CM-6", "CM-3(2)", "GDPR 25", "DORA 9"),
    remedy="Remove the exemption, or have it reviewed and set a new day.",
    unknown="nothing is",
    check_stack=check,
)
