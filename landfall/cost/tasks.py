"""What containers on Fargate are billed for: vCPU and memory, by the hour."""

from __future__ import annotations

from collections.abc import Iterator

from landfall.cost.machines import price_of
from landfall.cost.rate import (
    HOURS,
    Around,
    Gap,
    Rate,
    Resource,
    Term,
    Use,
    at,
    number,
    text,
)

TASK_DEFINITION = "aws:ecs/taskDefinition:TaskDefinition"

CPU_UNITS_PER_VCPU = 1024
MIB_PER_GB = 1024
"""How ECS writes the size of a task."""


def _service(resource: Resource, around: Around) -> Iterator[Term]:
    props = resource.props
    if text(props.get("launchType")) != "FARGATE" and not props.get("capacityProviderStrategies"):
        return  # its tasks run on machines that are billed by themselves
    count = number(props.get("desiredCount", 0))
    sized = [size for each in _definitions(resource, around) if (size := _task(each))]
    if count is None or not sized:
        yield Gap(reason="number or size of its tasks is not known here")
        return
    dearest = max(sized, key=lambda uses: _task_price(uses, resource.region))
    for use in dearest:
        quantity = use.quantity * count * HOURS
        yield Use(item=use.item, quantity=quantity, note=f"{count:g} tasks; {use.note}")


def _definitions(service: Resource, around: Around) -> Iterator[Resource]:
    """The task definition that a service names, or all where that is not known yet."""
    name = text(service.props.get("taskDefinition"))  # an ARN, or family:revision, or a family
    family = name.rpartition("/")[2].partition(":")[0]
    for each in around.others:
        if each.type == TASK_DEFINITION and family in {"", each.props.get("family")}:
            yield each


def _task(definition: Resource) -> tuple[Use, Use] | None:
    cpu, memory = number(definition.props.get("cpu")), number(definition.props.get("memory"))
    if cpu is None or memory is None:
        return None
    arm = at(definition.props, "runtimePlatform", "cpuArchitecture") == "ARM64"
    name = f"ECS Fargate Linux {'arm64' if arm else 'x86'}"
    note = f"as the task definition {definition.name}"
    return (
        Use(item=f"{name} vCPU", quantity=cpu / CPU_UNITS_PER_VCPU, note=note),
        Use(item=f"{name} memory", quantity=memory / MIB_PER_GB, note=note),
    )


def _task_price(uses: tuple[Use, Use], region: str) -> tuple[float, str]:
    return (sum(use.quantity * price_of(use, region) for use in uses), uses[0].note)


RATES: dict[str, Rate] = {"aws:ecs/service:Service": _service}
"""By type, what is billed."""
