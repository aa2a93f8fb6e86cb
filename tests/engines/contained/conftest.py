"""A small model, a plan for a GPU, and a host that says it has one; podman is a stand-in."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from engines import build, carried, facts, nvidia, plan, source, workbench
from engines.build_contained import Given
from engines.facts import Facts
from engines.plan import Plan
from engines.planned import PlannedStep
from engines.spec import EngineSpec
from engines.target import anywhere
from landfall.model.classification import Classification
from tests.engines.tiny import LLAMA

DIGEST = f"sha256:{'a' * 64}"
IMAGE = f"mirror/tensorrt-llm@{DIGEST}"
REGISTRY = "registry.site:5000"
TEXT = [" ".join(f"word{row}x{column}" for column in range(12)) for row in range(6)]
SPEC: dict[str, Any] = {
    "name": "mini",
    "model": {"huggingface": "models/mini", "classification": "public"},
    "backend": "tensorrt_llm",
    "mode": "engine",
    "version": "1.2.1",
    "container": IMAGE,
    "target": "L40S",
    "precision": "bf16",
    "classification": "internal",
    "limits": {"max_batch": 2, "max_sequence": 512, "max_new_tokens": 128},
}
HOST = {
    "machine": "x86_64",
    "cpu": "Xeon Gold 6338",
    "isa": ["avx2"],
    "python": "3.11.2",
    "packages": {},
    "gpus": ["NVIDIA L40S"] * 2,
    "devices": [{"name": "NVIDIA L40S", "compute_capability": "8.9", "memory_mib": 46068}] * 2,
    "driver": "580.95.05",
    "cuda": "13.0",
    "container": "podman 4.3.1",
    "memory_gib": 250,
}
Making = Callable[..., Plan]


@dataclass(frozen=True, kw_only=True)
class Site:
    """A build host in a folder: its stand-ins, its model, and where an engine is built."""

    bin: Path
    model: Path
    out: Path

    def behave(self, **tools: dict[str, Any]) -> None:
        """What goes wrong, by tool."""
        names = {
            "build": "trtllm-build",
            "convert": "convert_checkpoint.py",
            "serve": "trtllm-serve",
        }
        told = {names.get(name, name): value for name, value in tools.items()}
        (self.bin / "behaviour.json").write_text(json.dumps(told))

    @property
    def calls(self) -> list[dict[str, Any]]:
        """What podman was asked to run, in order."""
        path = self.bin / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def tools(self) -> list[str]:
        """The tools that ran, in order."""
        return [Path(each["argv"][each["argv"][0] == "python3"]).name for each in self.calls]

    def forget(self) -> None:
        """Begin to count calls anew, with tools that do what they shall."""
        (self.bin / "calls").unlink(missing_ok=True)
        (self.bin / "behaviour.json").unlink(missing_ok=True)

    def build(
        self, planned: Plan, timings: Path | None = None, beside: Mapping[str, Path] | None = None
    ) -> list[str]:
        """Build; what was said."""
        said: list[str] = []
        given = Given(registry=REGISTRY, timings=timings, beside=beside or {})
        build.run(planned, self.model, self.out, said.append, given)
        return said

    @property
    def left(self) -> list[str]:
        """What lies where the engine is built."""
        return sorted(path.name for path in self.out.parent.iterdir())


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A host with two L40S, as far as it says."""
    folder = tmp_path / "bin"
    (folder / "containers").mkdir(parents=True)
    program = Path(__file__).with_name("stand_in.py")
    for name in ("podman", "nsenter", "tools"):
        shutil.copy(program, folder / name)
        (folder / name).chmod(0o755)
    (folder / "images").write_text(f"{REGISTRY}/{IMAGE}\n{REGISTRY}/mirror/vllm@{DIGEST}\n")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("http_proxy", "http://user:secret@proxy")
    monkeypatch.setattr(facts, "read", lambda: Facts.model_validate(HOST))
    monkeypatch.setattr(nvidia, "ask", lambda argv: "45000\n45000\n" * (argv == workbench.FREE))
    (tmp_path / "build").mkdir()
    return Site(bin=folder, model=model(tmp_path / "model"), out=tmp_path / "build" / "engine")


def model(folder: Path) -> Path:
    """A model of almost nothing, whose stand-in server knows its text by heart."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA))
    save_file({"a": np.ones((4, 4), np.float16)}, folder / "model.safetensors")
    for name in ("tokenizer.json", "generation_config.json"):
        (folder / name).write_text("{}")
    knows = {"knows": " ".join(TEXT).split()}
    (folder / "tokenizer_config.json").write_text(json.dumps(knows))
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def at_port(made: Plan, port: int) -> Plan:
    """The plan with another port: containers have no network of their own here."""

    def moved(step: PlannedStep) -> PlannedStep:
        argv = tuple(str(port) if word == "8000" else word for word in step.argv)
        return step.model_copy(update={"argv": argv})

    assert made.serve is not None
    changed: dict[str, Any] = {"serve": moved(made.serve)}
    if made.reference is not None:
        step = moved(made.reference.step)
        changed["reference"] = made.reference.model_copy(update={"step": step})
    return made.model_copy(update=changed)


@pytest.fixture
def planned(site: Site) -> Making:
    """Makes the plan of SPEC with changes; `text` is the held-out text, if any.

    `beside` has the folders of what is served beside the model.
    """

    def make(
        *, text: list[str] | None = None, beside: Mapping[str, Path] | None = None, **changes: Any
    ) -> Plan:
        if text is not None:
            (site.model / source.EVALUATION).write_text("\n".join(text))
        spec = EngineSpec.model_validate({**SPEC, **changes})
        found = source.read(
            site.model, name="mini", version="", classification=Classification.PUBLIC
        )
        found = carried.read(found, beside or {}, site.model.with_name("digests.json"))
        made = plan.plan(spec, found, Facts.model_validate(HOST), anywhere(["L40S"])[0])
        return at_port(made, free_port())

    return make
