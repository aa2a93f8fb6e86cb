"""What the role `serving` decides about engines in containers, on the controller."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from landfall.model import assignment, contained, container
from landfall.model.assignment import Assignment, Wanted
from landfall.model.gpu import full_name
from landfall.model.routing import SHORT

HELD = re.compile(r"landfall-engine-([0-9a-f]{12})\.service:GPUs=([0-9,]+)$", re.MULTILINE)
NODE = re.compile(r"/node([0-9]+)/cpulist:([0-9,-]+)$", re.MULTILINE)

Engines = Sequence[Mapping[str, Any]]


def images(engines: Engines) -> list[dict[str, str]]:
    """The images that these engines run in, each once."""
    found = [each["contained"] for each in engines if "contained" in each]
    return [
        {"image": image, "digest": digest}
        for image, digest in dict.fromkeys((each["image"], each["digest"]) for each in found)
    ]


def metrics(engines: Engines) -> list[dict[str, Any]]:
    """Where each engine says how it is, for Prometheus; its health, where it has no more to say."""
    found = []
    for each in engines:
        api = each.get("contained", {}).get("api", {"metrics": "/metrics"})
        path = api.get("metrics") or api.get("health") or "/"
        found.append({"key": each["key"], "port": each["port"], "path": path})
    return found


def refusals(
    engines: Engines, gpus: Sequence[Mapping[str, Any]], held: Sequence[str], sharing: Sequence[str]
) -> list[str]:
    """Why this host cannot serve its engines as they are released, in words."""
    wrong = [why for each in engines if "contained" in each for why in contained.refusals(each)]
    return [*wrong, *_assigned(engines, gpus, held, sharing).refused]


def without_a_way_back(
    engines: Engines,
    standby: Engines,
    gpus: Sequence[Mapping[str, Any]],
    held: Sequence[str],
    sharing: Sequence[str],
) -> list[str]:
    """Which engines of a rollback could not start beside those that answer, in words."""
    given = _assigned(engines, gpus, held, sharing).given
    all_of_them = [*_wanted(engines, sharing), *_wanted(standby, sharing)]
    short = {key[:SHORT]: indices for key, indices in given.items()}
    return list(assignment.assign(all_of_them, assignment.devices(gpus), short).refused)


def placed(
    engines: Engines,
    gpus: Sequence[Mapping[str, Any]],
    held: Sequence[str],
    sharing: Sequence[str],
    *,
    folder: str,
    registry: str,
    shared_memory: str,
) -> list[dict[str, Any]]:
    """The engines with the template of their unit, where they tell their health, and their GPUs.

    Call it only where `refusals` has found nothing.
    """
    given = _assigned(engines, gpus, held, sharing).given
    here = assignment.devices(gpus)
    found: list[dict[str, Any]] = []
    for each in engines:
        if "contained" not in each:
            found.append({**each, **contained.CPU_SERVER})
            continue
        mine = given[each["key"][:SHORT]]
        asked = contained.asked(each, mine, folder=folder, shared_memory=shared_memory)
        more = {
            "health": each["contained"]["api"]["health"],
            "gpus": list(mine),
            "nodes": list(assignment.nodes_of(mine, here)),
            "command": container.quoted(container.arguments(asked, registry)),
        }
        found.append({**each, **contained.CONTAINED, **more})
    return found


def processors(engine: Mapping[str, Any], listed: str) -> dict[str, Any]:
    """An engine with the numbers of its processors; `listed` is what grep found in /sys."""
    of_node = {int(node): numbers for node, numbers in NODE.findall(listed)}
    numbers = [of_node[node] for node in engine.get("nodes") or () if node in of_node]
    return {**engine, "processors": ",".join(numbers)}


def _assigned(
    engines: Engines, gpus: Sequence[Mapping[str, Any]], held: Sequence[str], sharing: Sequence[str]
) -> Assignment:
    holds = {
        key: [int(each) for each in numbers.split(",")]
        for key, numbers in HELD.findall("\n".join(held))
    }
    return assignment.assign(_wanted(engines, sharing), assignment.devices(gpus), holds)


def _wanted(engines: Engines, sharing: Sequence[str]) -> list[Wanted]:
    return [
        Wanted(
            key=each["key"][:SHORT],
            told=contained.name_of(each),
            model=full_name(each["contained"]["model"]),
            count=each["contained"]["gpus"],
            sharing=each["name"] in sharing,
        )
        for each in engines
        if "contained" in each
    ]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {
            "serving_images": images,
            "serving_metrics": metrics,
            "serving_placed": placed,
            "serving_processors": processors,
            "serving_refusals": refusals,
            "serving_without_a_way_back": without_a_way_back,
        }
