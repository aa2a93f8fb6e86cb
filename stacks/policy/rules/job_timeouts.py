"""A job ends, also one that hangs: the hard edge of spending."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN, at


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """The longest time of an attempt is written."""
    for where, value in at(resource.props, "timeout.attemptDurationSeconds"):
        if value is UNKNOWN:
            yield undecided(where)
        elif not value:
            yield Finding(path=where, message="is left out; give the longest time of a job")


RULE = Rule(
    name="job-timeouts",
    description="Every batch job definition has a timeout.",
    severity=Severity.MEDIUM,
    supports=("SC-5", "CM-6", "DORA 9"),
    remedy="Set timeout.attemptDurationSeconds.",
    types=frozenset({"aws:batch/jobDefinition:JobDefinition"}),
    check=check,
)
