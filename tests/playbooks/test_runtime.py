"""Containers by digest: what is refused, how they are run, and what a real podman makes of it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall import process, render
from landfall.model import container
from tests.playbooks import registry as registries
from tests.playbooks.registry import Registry

GOOD, OLD = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
MIRROR = "registry.site:5000"
ENGINE: dict[str, Any] = {"name": "engine", "image": "nvidia/tritonserver", "digest": GOOD}
SITE: dict[str, Any] = {"subnet": "10.213.0.0/20", "ranges": {"serving": "10.64.32.0/24"}}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a tag": ({"image": "nvidia/tritonserver:25.06"}, "a tag can be moved, a digest cannot"),
    "a registry": ({"image": "other.example:5000/x"}, "without registry"),
    "a digest in the path": ({"image": f"x@{GOOD}"}, "the path in the site's registry alone"),
    "a short digest": ({"digest": "sha256:abc"}, "64 hexadecimal digits"),
    "another hash": ({"digest": f"md5:{'a' * 64}"}, "64 hexadecimal digits"),
    "previous": ({"previous": "latest"}, "previous: 'latest'"),
    "a name": ({"name": "../x"}, "lower-case letters"),
    "a device": ({"devices": ["/dev/nvidia0"]}, "a CDI name such as"),
    "a mount": ({"mounts": [{"source": "x", "target": "/y"}]}, "both paths begin with /"),
    "a comma": ({"mounts": [{"source": "/x,rw", "target": "/y"}]}, "no comma"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_exact_is_refused(case: str) -> None:
    changed, expected = REFUSED[case]
    [found] = container.refusals([{**ENGINE, **changed}], registry=MIRROR, **SITE)
    assert expected in found
    assert found.startswith("runtime_containers.0.")


def test_the_networks_and_names_are_compared() -> None:
    assert container.refusals([ENGINE], registry=MIRROR, **SITE) == []
    twice = container.refusals([ENGINE, ENGINE], registry=MIRROR, **SITE)
    assert twice == ["runtime_containers: engine appears twice"]
    [none] = container.refusals([ENGINE], registry="", **SITE)
    assert "runtime_registry: required" in none
    [overlap] = container.refusals([], registry="", subnet="10.64.0.0/16", ranges=SITE["ranges"])
    assert "overlaps 10.64.32.0/24 of the site's network serving" in overlap


def test_it_runs_with_nothing_that_it_does_not_need() -> None:
    asked = container.arguments(
        {
            **ENGINE,
            "devices": ["nvidia.com/gpu=1:0"],
            "mounts": [{"source": "/srv/a", "target": "/models"}],
            "environment": {"B": "2", "A": "1"},
            "command": ["serve", "--port", "8000"],
        },
        MIRROR,
    )
    assert {"--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"} <= set(asked)
    assert {"--pull=never", "--network=none", "--device=nvidia.com/gpu=1:0"} <= set(asked)
    assert "--mount=type=bind,source=/srv/a,target=/models,readonly" in asked
    assert asked[-4:] == [f"{MIRROR}/nvidia/tritonserver@{GOOD}", "serve", "--port", "8000"]
    assert asked.index("--env=A=1") + 1 == asked.index("--env=B=2")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]))))
def test_each_word_reaches_the_program_as_it_is(words: list[str]) -> None:
    # systemd's quoting, undone: shlex knows the same quotes, systemd's own signs are doubled.
    line = container.quoted(words)
    assert "\n" not in line
    single = re.sub(r"%%", "%", re.sub(r"\$\$", "$", line))
    assert "%" not in re.sub(r"%%", "", line)
    assert shlex.split(single) == words


IMAGES: list[dict[str, Any]] = [
    {"Id": "1", "RepoDigests": [f"{MIRROR}/nvidia/tritonserver@{GOOD}"]},
    {"Id": "2", "RepoDigests": [f"{MIRROR}/nvidia/tritonserver@{OLD}"]},
    {"Id": "3", "RepoDigests": [f"{MIRROR}/nvidia/tritonserver@sha256:{'c' * 64}"]},
    {"Id": "4", "RepoDigests": None},
]


def test_only_this_release_and_the_one_before_are_kept() -> None:
    assert container.missing(IMAGES[1:], [ENGINE, ENGINE], MIRROR) == [
        f"{MIRROR}/nvidia/tritonserver@{GOOD}"
    ]
    assert container.missing(IMAGES, [ENGINE], MIRROR) == []
    assert container.unreferenced(IMAGES, [{**ENGINE, "previous": OLD}], MIRROR) == ["3", "4"]
    assert container.unreferenced(IMAGES, [], MIRROR) == ["1", "2", "3", "4"]


def test_what_runs_otherwise_is_told() -> None:
    good = {
        "Name": "landfall-container-engine",
        "ImageDigest": GOOD,
        "HostConfig": {"ReadonlyRootfs": True},
        "EffectiveCaps": [],
    }
    assert container.wrong([good], [ENGINE]) == []
    assert container.wrong([], [ENGINE]) == ["engine: does not run"]
    bad = {**good, "ImageDigest": OLD, "EffectiveCaps": ["CAP_SYS_ADMIN"]}
    assert container.wrong([bad], [ENGINE]) == [f"engine: runs {OLD}", "engine: has CAP_SYS_ADMIN"]


@dataclass
class Podman:
    """A real podman with the role's files, in folders of its own; it pulls and starts nothing."""

    folder: Path
    mirror: str
    registry: Registry

    def write(self, **changed: Any) -> None:
        values = {
            "runtime_registry": self.mirror,
            "runtime_registry_insecure": False,
            "runtime_signing_key": "",
            **changed,
        }
        for name in ("registries.conf", "policy.json"):
            text = render.render(f"etc/containers/{name}.j2", values)
            (self.folder / name).write_text(text)

    def pull(self, reference: str, *, certificates: str = "certs") -> process.Completed:
        words: list[str | Path] = ["podman", "--root", self.folder / "root"]
        words += ["--runroot", self.folder / "run", "--storage-driver=vfs", "pull", "--quiet"]
        words += ["--signature-policy", self.folder / "policy.json"]
        words += ["--cert-dir", self.folder / certificates, reference]
        registries_file = str(self.folder / "registries.conf")
        return process.run(words, env={"CONTAINERS_REGISTRIES_CONF": registries_file}, check=False)


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    lacks = registries.missing() or ("" if shutil.which("podman") else "apt-get install podman")
    if lacks:
        pytest.skip(f"cannot run here: {lacks}")
    # podman takes no runroot longer than 50 characters, and a worker's own folder is.
    with (
        TemporaryDirectory(prefix="podman-") as short,
        registries.running(Path(short) / "registry") as registry,
    ):
        folder = Path(short)
        made = Podman(folder=folder, mirror=f"127.0.0.1:{registry.port}", registry=registry)
        (folder / "certs").mkdir()
        (folder / "none").mkdir()
        shutil.copy(registry.ca, folder / "certs/ca.crt")
        made.write()
        yield made


@pytest.mark.services
def test_a_real_podman_pulls_by_digest_over_tls(podman: Podman) -> None:
    digest = podman.registry.push("engines/one", {"one": "1"}, ["sleep", "9"])
    done = podman.pull(f"{podman.mirror}/engines/one@{digest}")
    assert done.returncode == 0, done.stderr
    listed = process.run(
        ["podman", "--root", podman.folder / "root", "--runroot", podman.folder / "run",
         "--storage-driver=vfs", "images", "--all", "--digests", "--format", "json"]
    )  # fmt: skip
    images = json.loads(listed.stdout)
    asked = {"name": "one", "image": "engines/one", "digest": digest}
    assert container.missing(images, [asked], podman.mirror) == []
    assert container.unreferenced(images, [asked], podman.mirror) == []


@pytest.mark.services
def test_an_unknown_certificate_and_another_registry_are_refused(podman: Podman) -> None:
    digest = podman.registry.push("engines/two", {"two": "2"}, ["sleep", "9"])
    done = podman.pull(f"{podman.mirror}/engines/two@{digest}", certificates="none")
    assert "certificate" in done.stderr
    podman.write(runtime_registry="registry.site:5000")
    try:
        done = podman.pull(f"{podman.mirror}/engines/two@{digest}")
        assert done.returncode != 0
        assert "rejected by policy" in done.stderr
        assert podman.pull("busybox").returncode != 0  # no registry is searched for short names
    finally:
        podman.write()


@pytest.mark.services
def test_changed_bytes_under_a_digest_are_refused(podman: Podman) -> None:
    name = "engines/three"
    digest = podman.registry.push(name, {"three": "3"}, ["sleep", "9"])
    [layer] = podman.registry.layers(name, digest)
    podman.registry.tamper(layer)
    done = podman.pull(f"{podman.mirror}/{name}@{digest}")
    assert done.returncode != 0
    other = podman.registry.push("engines/four", {"four": "4"}, ["sleep", "9"])
    podman.registry.tamper(other)
    done = podman.pull(f"{podman.mirror}/engines/four@{other}")
    assert done.returncode != 0


@pytest.mark.services
def test_an_image_without_the_signature_is_refused_where_a_key_is_given(podman: Podman) -> None:
    podman.write(runtime_signing_key="signing.gpg")
    digest = podman.registry.push("engines/five", {"five": "5"}, ["sleep", "9"])
    try:
        done = podman.pull(f"{podman.mirror}/engines/five@{digest}")
    finally:
        podman.write()
    assert done.returncode != 0
    assert "signature" in done.stderr.lower() or "gpg" in done.stderr.lower()
