"""Steps in containers, as processes of their own: done once, whole or not at all."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from engines import manifest
from engines.plan import Plan
from landfall.errors import CommandFailed, IntegrityError, LandfallError, Refused
from tests.engines.contained.conftest import IMAGE, Making, Site
from tests.engines.test_store_faults import CLONE_NEWNS, MS_REC_PRIVATE, in_child

pytestmark = pytest.mark.slow


def names(folder: Path) -> set[str]:
    return {each.name for each in manifest.check(folder).subject}


def test_an_engine_is_made_by_its_steps(site: Site, planned: Making) -> None:
    said = site.build(planned())
    assert site.tools == ["convert_checkpoint.py", "trtllm-build"]
    assert names(site.out) == {
        "engine/config.json", "engine/rank0.engine", "model/chat_template.jinja",
        "model/config.json", "model/generation_config.json", "model/tokenizer.json",
        "model/tokenizer_config.json", "timing.cache",
    }  # fmt: skip
    assert "mini: step 2 of 2, trtllm-build" in said
    assert site.left == [".engine.lock", "engine", "engine.log"]
    log = site.out.with_name("engine.log").read_text()
    assert "trtllm-build begins, telemetry off is 1" in log
    assert "--- ended with code 0" in log


def test_the_manifest_tells_of_container_and_host(site: Site, planned: Making) -> None:
    made = planned()
    site.build(made)
    about = manifest.check(site.out).predicate
    assert (about.key, about.container, about.mode) == (made.key, IMAGE, "engine")
    assert about.backend_version == "1.2.1"
    assert about.host.devices[0].name == "NVIDIA L40S"
    assert about.built_by
    assert about.materials.files == made.source.files


def test_gates_without_text_did_not_run_and_are_not_passed(site: Site, planned: Making) -> None:
    latency = {"requests_per_second": 50, "requests": 20, "ttft_p95_ms": 1, "tpot_p95_ms": 1}
    site.build(planned(gates={"latency": latency}))
    about = manifest.check(site.out).predicate
    told = [(each.name, each.outcome) for each in about.outcomes]
    assert told == [("quality", "not run"), ("determinism", "not run"), ("latency", "not run")]
    assert not about.passed


def test_a_container_gets_no_network_and_nothing_of_the_host(site: Site, planned: Making) -> None:
    site.build(planned(parallelism={"tensor": 2}))
    for call in site.calls:
        flags = call["flags"]
        assert {"--network=none", "--read-only", "--cap-drop=all", "--pull=never"} <= set(flags)
        assert {"--device=nvidia.com/gpu=0", "--device=nvidia.com/gpu=1"} <= set(flags)
        assert {"--env=DO_NOT_TRACK=1", "--env=HF_HUB_OFFLINE=1"} <= set(flags)
        assert not any("secret" in flag or "proxy=http" in flag for flag in flags)
        assert call["mounts"]["/model"] == [str(site.model), False]
        assert call["mounts"]["/work"][1] is True
    assert site.calls[1]["mounts"]["/work/checkpoint"][1] is False


def test_what_is_built_is_not_built_again(site: Site, planned: Making) -> None:
    made = planned()
    site.build(made)
    site.forget()
    assert site.build(made) == ["mini: already built"]
    assert site.calls == []


def test_of_two_builds_at_once_the_second_waits(site: Site, planned: Making) -> None:
    made = planned()
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(site.build, made) for _ in "ab"]
        said = [line for each in both for line in each.result()]
    assert said.count("mini: already built") == 1
    assert site.tools == ["convert_checkpoint.py", "trtllm-build"]


@pytest.mark.parametrize(
    ("killed", "left"),
    [
        ("convert", ["convert_checkpoint.py", "trtllm-build"]),
        ("build", ["trtllm-build"]),
    ],
)
def test_a_build_killed_in_a_step_goes_on_with_that_step(
    killed: str, left: list[str], site: Site, planned: Making
) -> None:
    made = planned()
    site.behave(**{killed: {"kill": True}})
    assert os.WTERMSIG(in_child(partial(site.build, made))) == signal.SIGKILL
    assert not site.out.exists()
    [left_over] = (site.bin / "containers").iterdir()  # it goes on without podman
    container = int(left_over.read_text())
    site.forget()
    site.build(made)
    assert not psutil.pid_exists(container)
    assert site.tools == left
    assert manifest.check(site.out).predicate.key == made.key
    assert site.left == [".engine.lock", "engine", "engine.log"]


def test_a_build_killed_before_any_rename(site: Site, planned: Making) -> None:
    made = planned()
    number, killed = 0, True
    while killed:
        number += 1
        for each in site.out.parent.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        killed = os.WIFSIGNALED(in_child(partial(dying, number, site, made)))
        assert not site.out.exists() or manifest.check(site.out)
        site.build(made)
        assert manifest.check(site.out).predicate.key == made.key
        assert site.left == [".engine.lock", "engine", "engine.log"]
    assert number >= 4  # two steps, the manifest, the engine


def kept(made: Plan) -> str:
    return f".engine.work-{made.key[:12]}"


def dying(number: int, site: Site, made: Plan) -> None:
    """Build in a process that dies before its rename of that number."""
    left = number

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event == "os.rename" and str(site.out.parent) in str(arguments[0]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    site.build(made)


NO_MEMORY = "[TensorRT-LLM][ERROR] CUDA out of memory. Tried to allocate 14.00 GiB"


@pytest.mark.parametrize(
    ("behaviour", "message", "hint"),
    [
        (
            {"say": NO_MEMORY, "code": 1},
            "step 2 of 2, trtllm-build: it ended with code 1\n"
            "  GPU memory ran out: 14.00 GiB more were asked for.",
            "See with nvidia-smi who else uses the GPU",
        ),
        ({"say": "something new", "code": 3}, "code 3\n", "not known here; read the log"),
        ({"code": 137}, "it was killed: memory of the host ran out", "read the log"),
        (
            {"say": "write: No space left on device", "code": 1},
            "is full",
            "steps that are done stay",
        ),
    ],
)
def test_a_step_that_fails_says_why_and_what_to_do(
    behaviour: dict[str, Any], message: str, hint: str, site: Site, planned: Making
) -> None:
    made = planned()
    site.behave(build=behaviour)
    with pytest.raises(LandfallError) as caught:
        site.build(made)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert not site.out.exists()
    assert sorted(p.name for p in (site.out.parent / kept(made)).iterdir()) == ["step-1"]
    site.forget()
    site.build(made)
    assert site.tools == ["trtllm-build"]


def test_a_step_that_writes_nothing_has_failed(site: Site, planned: Making) -> None:
    site.behave(convert={"nothing": True})
    with pytest.raises(CommandFailed, match="ended well, and did not write checkpoint"):
        site.build(planned())


def test_timings_go_in_and_come_out(site: Site, planned: Making, tmp_path: Path) -> None:
    pinned = tmp_path / "kept.cache"
    pinned.write_bytes(b"tactics")
    made = planned(timing_cache=hashlib.sha256(b"tactics").hexdigest())
    site.build(made, pinned)
    assert (site.out / "timing.cache").read_bytes() == b"tactics+"
    assert pinned.read_bytes() == b"tactics"
    assert manifest.check(site.out).predicate.timing_cache == made.timing_cache


def test_other_timings_are_refused(site: Site, planned: Making, tmp_path: Path) -> None:
    other = tmp_path / "other.cache"
    other.write_bytes(b"other")
    made = planned(timing_cache="1" * 64)
    with pytest.raises(IntegrityError, match="has not the digest 111111111111"):
        site.build(made, other)
    with pytest.raises(Refused, match="which are not given"):
        site.build(made)
    assert site.calls == []


def test_another_model_is_refused(site: Site, planned: Making) -> None:
    made = planned()
    (site.model / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(IntegrityError, match=r"model\.safetensors has digest"):
        site.build(made)
    assert site.calls == []


def test_a_model_that_changes_during_the_build_is_in_the_manifest_as_it_was_served(
    site: Site, planned: Making
) -> None:
    made = planned()
    site.build(made)
    found = {each.name: each.digest["sha256"] for each in manifest.check(site.out).subject}
    assert found["model/tokenizer.json"] == made.source.files["tokenizer.json"]


@pytest.mark.host
def test_a_disk_that_fills_in_a_step(site: Site, planned: Making, tmp_path: Path) -> None:
    made = planned()
    disk = tmp_path / "build"

    def small() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.unshare(CLONE_NEWNS) == 0
        assert libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None) == 0
        assert libc.mount(b"tmpfs", bytes(disk), b"tmpfs", 0, b"size=1m") == 0
        site.behave(convert={"bytes": 2_000_000})
        with pytest.raises(LandfallError, match=r"convert_checkpoint\.py: the disk of .* is full"):
            site.build(made)
        assert [p.name for p in (disk / kept(made)).iterdir()] == []
        site.forget()
        site.build(made)  # there is room for a small one
        assert manifest.check(site.out).predicate.key == made.key

    assert in_child(small) == 0
