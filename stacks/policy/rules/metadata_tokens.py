"""An instance's credentials are given for a token, and the token stays on the instance."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, expect
from stacks.policy.settings import PolicySettings


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """Version 2 of the metadata service, with a hop limit of one; or no service at all."""
    options = resource.props.get("metadataOptions")
    if isinstance(options, dict) and options.get("httpEndpoint") == "disabled":
        return
    for name, wanted in (("httpTokens", "required"), ("httpPutResponseHopLimit", 1)):
        path = f"metadataOptions.{name}"
        yield from expect(resource, path, wanted, message=f"must be {wanted}")


RULE = Rule(
    name="metadata-tokens",
    description="Instances use version 2 of the metadata service with a hop limit of 1.",
    severity=Severity.HIGH,
    supports=("AC-3", "AC-6", "CM-6", "164.312(a)(1)", "DORA 9"),
    remedy="Set metadataOptions.httpTokens to required and httpPutResponseHopLimit to 1.",
    types=frozenset(
        {
            "aws:ec2/instance:Instance",
            "aws:ec2/launchTemplate:LaunchTemplate",
            "aws:ec2/launchConfiguration:LaunchConfiguration",
        }
    ),
    check=check,
)
