"""Units of engines in containers: as reviewed, from the commands that the plans carry."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from engines.supervise import check
from engines.supervise.__main__ import _parser
from landfall import process, render
from landfall.model import contained
from landfall.model.environment import ROOT
from tests.playbooks.loading import plugin

HERE = Path(__file__).parent
PLANS = ROOT / "tests/engines/golden"
TEMPLATE = "systemd/landfall-engine-container.service.j2"
MIRROR = "registry.site:5000"
FOLDER = "/srv/landfall/engines"
KEY = "1" * 64


class Case(NamedTuple):
    """A plan, the GPUs of the host, and what its golden file has in its name."""

    plan: str
    model: str
    nodes: list[int]
    golden: str


CASES = {
    "tensorrt_llm-engine": Case("summariser-l40s", "NVIDIA L40S", [0, 1], "-engine"),
    "tensorrt_llm-pytorch": Case("assistant-h100-pcie", "NVIDIA H100 PCIe", [1], "-pytorch"),
    "vllm": Case("coder-h100-pcie", "NVIDIA H100 PCIe", [0, 1], ""),
}
LISTS = "/sys/devices/system/node/node0/cpulist:0-31,64-95\n" + (
    "/sys/devices/system/node/node1/cpulist:32-63,96-127\n"
)


def filters() -> Any:
    return plugin("filter", "landfall_serving")


def engine(plan: str, **more: Any) -> dict[str, Any]:
    """An engine as roles are told of it, from a plan through the fields of a manifest."""
    made = json.loads((PLANS / f"{plan}.json").read_text())
    told = contained.of_manifest(
        container=f"engines/{made['backend']}@sha256:{'a' * 64}",
        target=made["target"],
        parallelism=contained.Parallelism(tensor=made["tensor"], pipeline=made["pipeline"]),
        serve=contained.Command.model_validate(made["serve"]),
        host=contained.Builder(),
    )
    return {
        "key": KEY,
        "name": made["engine"],
        "port": 20001,
        "share": 100,
        "contained": told,
    } | more


def values(case: str, **more: Any) -> dict[str, Any]:
    """What the template gets, the way that the role computes it."""
    plan, model, nodes, _ = CASES[case]
    gpus = [{"model": model, "count": len(nodes), "numa_nodes": nodes}]
    module = filters()
    asked = engine(plan)
    assert module.refusals([asked], gpus, [], []) == []
    where = {"folder": FOLDER, "registry": MIRROR, "shared_memory": "16g"}
    [placed] = module.placed([asked], gpus, [], [], **where)
    defaults = yaml.safe_load((ROOT / "playbooks/roles/serving/defaults/main.yml").read_text())
    return {
        **defaults,
        "serving_engine": module.processors(placed, LISTS),
        "serving_engine_folder": FOLDER,
        "serving_mount": "/srv/landfall",
        "serving_python": "/opt/landfall/env-0/bin/python",
        **more,
    }


def lines(text: str, word: str) -> list[str]:
    whole = text.replace("\\\n", " ")
    return [line.partition("=")[2] for line in whole.splitlines() if line.startswith(f"{word}=")]


@pytest.mark.parametrize("case", CASES)
def test_the_text_is_what_was_reviewed(case: str) -> None:
    golden = HERE / f"landfall-engine-container{CASES[case].golden}.service.golden"
    assert render.render(TEMPLATE, values(case)) == golden.read_text()


@pytest.mark.parametrize("case", CASES)
def test_the_command_is_the_plan_s_own_but_for_the_port(case: str) -> None:
    planned = json.loads((PLANS / f"{CASES[case].plan}.json").read_text())["serve"]
    [line] = lines(render.render(TEMPLATE, values(case)), "ExecStart")
    words = shlex.split(line)
    image = next(at for at, word in enumerate(words) if word.startswith(f"{MIRROR}/"))
    entry = next(word for word in words if word.startswith("--entrypoint="))
    run = [entry.partition("=")[2], *words[image + 1 :]]
    port = run.index("--port") + 1
    assert run[port] == "20001"
    assert [*run[:port], "8000", *run[port + 1 :]] == planned["argv"]
    for name, value in planned["environment"].items():
        assert f"--env={name}={value}" in words


@pytest.mark.parametrize("case", CASES)
def test_its_programs_understand_every_line(case: str) -> None:
    text = render.render(TEMPLATE, values(case))
    [before] = [shlex.split(line) for line in lines(text, "ExecStartPre")]
    given = check.parser().parse_args(before[before.index("engines.supervise.check") + 1 :])
    assert list(given.gpus) == values(case)["serving_engine"]["gpus"]
    [run] = lines(text, "ExecStart")
    words = shlex.split(run.partition("engines.supervise")[2])
    asked = _parser().parse_args(words[: words.index("--")])
    assert (asked.port, asked.health) == (20001, "/health")
    [ended] = [line for line in lines(text, "ExecStopPost") if "engines.supervise" in line]
    counted = _parser().parse_args(shlex.split(ended.partition("engines.supervise")[2]))
    assert counted.failures == given.failures


def test_it_is_bound_to_where_its_gpus_are() -> None:
    text = render.render(TEMPLATE, values("tensorrt_llm-pytorch"))
    assert lines(text, "NUMAPolicy") == ["bind"]
    assert lines(text, "NUMAMask") == lines(text, "AllowedMemoryNodes") == ["1"]
    assert lines(text, "AllowedCPUs") == ["32-63,96-127"]
    both = render.render(TEMPLATE, values("vllm"))
    assert lines(both, "AllowedCPUs") == ["0-31,64-95,32-63,96-127"]
    asked = values("vllm")
    asked["serving_engine"] = {**asked["serving_engine"], "nodes": [], "processors": ""}
    assert "NUMA" not in render.render(TEMPLATE, asked)


def test_nothing_but_loopback_and_its_folders_is_reached() -> None:
    text = render.render(TEMPLATE, values("tensorrt_llm-engine"))
    assert lines(text, "IPAddressDeny") == ["any"]
    assert lines(text, "IPAddressAllow") == ["localhost"]
    [line] = lines(text, "ExecStart")
    mounts = [word for word in shlex.split(line) if word.startswith("--mount=")]
    assert mounts == [
        f"--mount=type=bind,source={FOLDER}/{KEY}{part},target={target},readonly"
        for target, part in (("/work", ""), ("/model", "/model"))
    ]
    assert "--host 127.0.0.1" in line
    assert "--pull=never" in line


@pytest.mark.parametrize("drain_s", [0, 30, 300])
def test_systemd_waits_longer_than_the_container_drains(drain_s: int) -> None:
    text = render.render(TEMPLATE, values("vllm", serving_drain_s=drain_s))
    assert f"--drain-s {drain_s} " in text.replace("\\\n", " ")
    assert int(lines(text, "TimeoutStopSec")[0]) > drain_s + 15


@pytest.mark.services
@pytest.mark.parametrize("case", CASES)
def test_systemd_accepts_it(tmp_path: Path, case: str) -> None:
    path = tmp_path / f"landfall-engine-{case}.service"
    path.write_text(render.render(TEMPLATE, values(case, serving_python=sys.executable)))
    done = process.run(["systemd-analyze", "verify", path], check=False)
    complaints = [line for line in done.stderr.splitlines() if path.name in line]
    assert [line for line in complaints if "/usr/bin/podman" not in line] == []
