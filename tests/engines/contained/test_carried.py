"""A draft model and an adapter travel with the engine: digests, places, and what is served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from engines import manifest, received
from engines.plan import Plan
from landfall.errors import IntegrityError
from tests.engines.contained.conftest import DIGEST, TEXT, Making, Site

pytestmark = pytest.mark.services

SPEC: dict[str, Any] = {
    "backend": "vllm",
    "mode": "serve",
    "version": "0.33.0",
    "container": f"mirror/vllm@{DIGEST}",
    "precision": "bf16",
    "draft": {"huggingface": "models/small", "tokens": 3},
    "adapters": [{"name": "law", "huggingface": "adapters/law", "rank": 8}],
}
CARRIED = ["adapters/law/adapter_config.json", "adapters/law/adapter_model.safetensors",
           "draft/config.json", "draft/model.safetensors"]  # fmt: skip


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """A draft model and an adapter of almost nothing, each in a folder of its own."""
    found = {"draft": tmp_path / "small", "adapters/law": tmp_path / "law"}
    for folder, prefix in zip(found.values(), ("", "adapter_"), strict=True):
        folder.mkdir()
        (folder / f"{prefix}config.json").write_text(json.dumps({"r": 8}))
        save_file({"a": np.ones(4, np.float16)}, folder / f"{prefix}model.safetensors")
    (folders_hidden := found["draft"] / ".git").mkdir()
    (folders_hidden / "HEAD").write_text("not of the model")
    return found


@pytest.fixture
def made(planned: Making, folders: dict[str, Path]) -> Plan:
    return planned(text=TEXT, beside=folders, **SPEC)


def test_they_are_in_the_engine_and_served_with_it(
    site: Site, made: Plan, folders: dict[str, Path]
) -> None:
    site.build(made, beside=folders)
    names = {each.name for each in manifest.check(site.out).subject}
    assert sorted(each for each in names if not each.startswith("model/")) == CARRIED
    engine, reference = site.calls
    assert {"/draft", "/adapters"} <= set(engine["mounts"])
    assert "law=/adapters/law" in engine["argv"]
    assert "--enable-lora" not in reference["argv"]
    assert received.check(made, site.out).predicate.passed


def test_one_that_was_changed_or_is_not_given_is_named(
    site: Site, made: Plan, folders: dict[str, Path]
) -> None:
    (folders["draft"] / "config.json").write_text("{}")
    with pytest.raises(IntegrityError) as caught:
        site.build(made, beside={"draft": folders["draft"]})
    assert "adapters/law is not given; draft: config.json has digest 44136fa355b3" in str(
        caught.value
    )
    assert site.calls == []
    assert not site.out.exists()


def test_what_comes_back_with_another_is_not_signed(
    site: Site, made: Plan, folders: dict[str, Path]
) -> None:
    site.build(made, beside=folders)
    about = manifest.read(site.out).predicate
    (site.out / "adapters/law/adapter_config.json").write_text("{}")
    (site.out / "adapters/law/more.json").write_text("{}")
    manifest.write(site.out, about)
    with pytest.raises(IntegrityError) as caught:
        received.check(made, site.out)
    told = str(caught.value)
    assert "adapters/law/adapter_config.json: is not that of the plan" in told
    assert "adapters/law/more.json: is no part of such an engine" in told
