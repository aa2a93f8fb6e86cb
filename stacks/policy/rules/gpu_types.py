"""GPUs are rented of the types that the environment allows."""

import re
from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN, at

PATHS = {
    "aws:ec2/instance:Instance": ("instanceType",),
    "aws:ec2/launchTemplate:LaunchTemplate": (
        "instanceType",
        "instanceRequirements.allowedInstanceTypes",
    ),
    "aws:ec2/launchConfiguration:LaunchConfiguration": ("instanceType",),
    "aws:ec2/spotInstanceRequest:SpotInstanceRequest": ("instanceType",),
    "aws:ec2/capacityReservation:CapacityReservation": ("instanceType",),
    "aws:autoscaling/group:Group": ("mixedInstancesPolicy.launchTemplate.overrides.instanceType",),
    "aws:eks/nodeGroup:NodeGroup": ("instanceTypes",),
    "aws:batch/computeEnvironment:ComputeEnvironment": ("computeResources.instanceTypes",),
    "aws:sagemaker/notebookInstance:NotebookInstance": ("instanceType",),
}
ACCELERATED = re.compile(r"(ml\.)?(p|g|gr|trn|inf|dl|vt|f)\d[a-z0-9-]*(\.[a-z0-9-]+)?")
"""AWS's accelerated families by their letters; a family alone is what Batch takes too."""


def check(resource: Resource, settings: PolicySettings) -> Iterator[Finding]:
    """Each accelerated type that is named is allowed; what is left to AWS names none."""
    allowed = settings.instance_types
    for path in PATHS[resource.type]:
        for where, value in at(resource.props, path):
            if value is UNKNOWN:
                yield undecided(where)
            elif ACCELERATED.fullmatch(str(value)) and value not in allowed:
                listed = ", ".join(sorted(allowed)) or "none"
                yield Finding(path=where, message=f"{value} is not allowed here; {listed} is")
    if _open_requirements(resource):
        message = "may choose a GPU that is not allowed; name allowedInstanceTypes"
        yield Finding(path="instanceRequirements", message=message)


def _open_requirements(resource: Resource) -> bool:
    found = resource.props.get("instanceRequirements")
    return isinstance(found, dict) and bool(found) and not found.get("allowedInstanceTypes")


RULE = Rule(
    name="gpu-types",
    description="GPU instance types are among those that the environment allows.",
    severity=Severity.HIGH,
    supports=("CM-2", "CM-6", "SC-5", "DORA 9"),
    remedy="Choose an allowed type, or have the environment's policy file reviewed.",
    types=frozenset(PATHS),
    check=check,
)
