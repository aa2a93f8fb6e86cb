"""The containers of a task, a job or a function, wherever AWS lets them be written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from stacks.policy.rule import Resource
from stacks.policy.values import UNKNOWN, NotYetKnown, items

TASK = "aws:ecs/taskDefinition:TaskDefinition"
JOB = "aws:batch/jobDefinition:JobDefinition"
FUNCTION = "aws:lambda/function:Function"

CONTAINERS = frozenset({TASK, JOB, FUNCTION})


def containers(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each container with its path, its keys in the form of ECS: image, environment, secrets.

    Raises:
        NotYetKnown: the definition is not known before `up`.
    """
    if resource.type == TASK:
        yield from _listed("containerDefinitions", _read(resource, "containerDefinitions"))
    elif resource.type == JOB:
        yield from _of_job(resource)
    elif resource.props.get("imageUri") is not None:
        yield "", {"image": resource.props["imageUri"]}


def _of_job(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if single := _read(resource, "containerProperties"):
        yield "containerProperties", single
    nodes = _read(resource, "nodeProperties") or {}
    for index, each in enumerate(nodes.get("nodeRangeProperties") or []):
        where = f"nodeProperties.nodeRangeProperties[{index}]"
        if inside := each.get("container"):
            yield f"{where}.container", inside
        for task in (each.get("ecsProperties") or {}).get("taskProperties") or []:
            yield from _listed(f"{where}.ecsProperties", task.get("containers"))
    for task in (_read(resource, "ecsProperties") or {}).get("taskProperties") or []:
        yield from _listed("ecsProperties", task.get("containers"))
    pod = (resource.props.get("eksProperties") or {}).get("podProperties") or {}
    for each in (*(pod.get("containers") or ()), *(pod.get("initContainers") or ())):
        names = [{"name": name} for name in _names(each.get("envs"))]
        yield "eksProperties.podProperties", {"image": each.get("image"), "environment": names}


def _names(variables: Any) -> list[str]:
    return [each.get("name", "") for each in items(variables, "envs")]


def _listed(path: str, found: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for index, each in enumerate(found or []):
        yield f"{path}[{index}]", each


def _read(resource: Resource, name: str) -> Any:
    """A property that is JSON text; with unknown parts the engine sends all of it as unknown."""
    text = resource.props.get(name)
    if text is UNKNOWN:
        raise NotYetKnown(name)
    return json.loads(text) if isinstance(text, str) and text else text
