"""Logs are kept, and for long enough."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN


def check(resource: Resource, settings: PolicySettings) -> Iterator[Finding]:
    """The retention is written, and not shorter than the environment's."""
    days = resource.props.get("retentionInDays")
    wanted = settings.log_retention_days
    if days is UNKNOWN:
        yield undecided("retentionInDays")
    elif not days:
        # AWS keeps such a log for ever, which is a decision that somebody should write down.
        message = f"is not written; write {wanted} or more"
        yield Finding(path="retentionInDays", message=message)
    elif days < wanted:
        message = f"is {days:g} days; {wanted} or more are needed"
        yield Finding(path="retentionInDays", message=message)


RULE = Rule(
    name="log-retention",
    description="Every log group keeps its logs for as long as the environment asks.",
    severity=Severity.MEDIUM,
    supports=("AU-11", "SI-12", "164.316(b)(2)(i)", "GDPR 30", "DORA 12"),
    remedy="Set retentionInDays to the environment's log_retention_days or more.",
    types=frozenset({"aws:cloudwatch/logGroup:LogGroup"}),
    check=check,
)
