"""No more GPUs run at once than the environment allows."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from stacks.policy.rule import Finding, Resource, Rule, Severity, Stack, given, undecided
from stacks.policy.rules.gpu_types import ACCELERATED
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN, NotYetKnown, at, items

INSTANCE = "aws:ec2/instance:Instance"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
GROUP = "aws:autoscaling/group:Group"
NODES = "aws:eks/nodeGroup:NodeGroup"
RESERVED = "aws:ec2/capacityReservation:CapacityReservation"
BATCH = "aws:batch/computeEnvironment:ComputeEnvironment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What one resource may start at most: so many instances, each of one of some types."""

    resource: Resource
    path: str
    number: int
    types: frozenset[str] = field(default_factory=frozenset)


def check(stack: Stack, settings: PolicySettings) -> Iterator[Finding]:
    """Each type's largest numbers, added up; and the vCPUs of all queues together."""
    running: Counter[str] = Counter()
    for kind in (INSTANCE, GROUP, NODES):
        for resource in stack.of(kind):
            try:
                found = _capacity(stack, resource)
            except NotYetKnown as error:
                yield undecided(error.path, urn=resource.urn)
                continue
            for each in found.types:
                running[each] += found.number
    # Instances run inside a reservation: only what is reserved beyond them adds to their number.
    reserved: Counter[str] = Counter()
    for resource in stack.of(RESERVED):
        reserved[str(resource.props.get("instanceType"))] += _number(resource, "instanceCount")
    yield from _over(running | reserved, settings)
    yield from _vcpus(stack, settings)


def _over(counted: Counter[str], settings: PolicySettings) -> Iterator[Finding]:
    for kind, number in sorted(counted.items()):
        allowed = settings.instance_types.get(kind, 0)
        if ACCELERATED.fullmatch(kind) and number > allowed:
            message = f"up to {number} of {kind} could run; {allowed} may"
            yield Finding(path="", message=message)


def _vcpus(stack: Stack, settings: PolicySettings) -> Iterator[Finding]:
    total = 0
    for resource in stack.of(BATCH):
        for where, value in at(resource.props, "computeResources.maxVcpus"):
            if value is UNKNOWN:
                yield undecided(where, urn=resource.urn)
            else:
                total += int(value or 0)
    if total > settings.max_vcpus:
        message = f"batch may use {total} vCPUs together; {settings.max_vcpus} are allowed"
        yield Finding(path="computeResources.maxVcpus", message=message)


def _capacity(stack: Stack, resource: Resource) -> Capacity:
    if resource.type == INSTANCE:
        types = _types(resource, "instanceType") or _templates(stack, resource, "launchTemplate")
        return Capacity(resource=resource, path="instanceType", number=1, types=types)
    if resource.type == NODES:
        types = _types(resource, "instanceTypes") or _templates(stack, resource, "launchTemplate")
        path = "scalingConfig.maxSize"
        return Capacity(resource=resource, path=path, number=_number(resource, path), types=types)
    types = _types(resource, "mixedInstancesPolicy.launchTemplate.overrides.instanceType")
    for prop in ("launchTemplate", "mixedInstancesPolicy"):
        types = types or _templates(stack, resource, prop)
    return Capacity(
        resource=resource, path="maxSize", number=_number(resource, "maxSize"), types=types
    )


def _types(resource: Resource, path: str) -> frozenset[str]:
    if given(resource, path.partition(".")[0]) is None:
        return frozenset()
    found: set[str] = set()
    for where, value in at(resource.props, path):
        found |= {str(each) for each in items(value, where)}
    return frozenset(found)


def _templates(stack: Stack, resource: Resource, prop: str) -> frozenset[str]:
    """The types of the launch templates that a property refers to."""
    used = resource.uses.get(prop, ())
    named = [each for each in stack.of(TEMPLATE) if each.urn in used]
    return frozenset[str]().union(*(_types(each, "instanceType") for each in named))


def _number(resource: Resource, path: str) -> int:
    for where, value in at(resource.props, path):
        if value is UNKNOWN:
            raise NotYetKnown(where)
        return int(value or 0)
    return 0


RULE = Rule(
    name="gpu-counts",
    description="No more GPU instances, or vCPUs of Batch, can run than the environment allows.",
    severity=Severity.HIGH,
    supports=("SC-5", "CM-2", "CM-6", "DORA 9"),
    remedy="Lower the largest size, or have the environment's policy file reviewed.",
    unknown="told",
    check_stack=check,
)
