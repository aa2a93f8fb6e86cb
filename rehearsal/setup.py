"""What a machine needs before a rehearsal runs: found out first, installed where it can be."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from landfall import process
from landfall.errors import MissingTool
from landfall.golang import build
from rehearsal import packages, rootfs
from rehearsal.preflight import PROGRAMS, RACK_FILES, RACK_PROGRAMS, require, require_rack
from rehearsal.virtual import image, snapshot

Progress = Callable[[str], None]

FOR_TESTS = {
    "busybox": "busybox-static",
    "crun": "crun",
    "docker-registry": "docker-registry",
    "nft": "nftables",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "pg_ctlcluster": "postgresql",
    "podman": "podman",
    "promtool": "prometheus",
    "softhsm2-util": "softhsm2",
    "vtysh": "frr",
}
"""Programs that only the tests call, and the Debian packages that bring them."""

ACTIONLINT, ACTIONLINT_VERSION = "github.com/rhysd/actionlint", "1.7.7"

NO_START = {"RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
"""Keeps Debian's packages from starting their services: what is installed here is only called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What the rack is made from, in the cache folder."""

    rootfs: Path
    repository: Path
    wheelhouse: packages.Wheelhouse


def missing_packages(*, rack: bool = False) -> list[str]:
    """The Debian packages whose programs are not there; with `rack`, also the emulated servers'."""
    wanted = PROGRAMS | FOR_TESTS | (RACK_PROGRAMS if rack else {})
    found = {package for program, package in wanted.items() if shutil.which(program) is None}
    if rack:
        found |= {package for path, package in RACK_FILES.items() if not path.exists()}
    return sorted(found)


def install_packages(on_progress: Progress, *, rack: bool = False) -> list[str]:
    """Install what is missing, where this process may; say what it installed.

    With `rack`, also what emulated servers need.

    Raises:
        MissingTool: it may not (no root), or this is no Debian; the message has the command.
        CommandFailed: apt could not fetch or install a package.
    """
    wanted = missing_packages(rack=rack)
    if not wanted:
        return []
    command = f"apt-get install --no-install-recommends {' '.join(wanted)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingTool(
            f"not installed: {', '.join(wanted)}",
            hint=f"sudo {command}\nor leave the booted host out: nox -s demo -- --no-site",
        )
    on_progress("apt-get update")
    process.run(["apt-get", "-qq", "update"], env=NO_START, check=False)
    on_progress(command)
    process.run(
        ["apt-get", "-qq", "-y", "install", "--no-install-recommends", *wanted],
        env=NO_START,
        what="apt-get install",
    )
    return wanted


def ensure_actionlint(cache: Path, on_progress: Progress) -> Path:
    """The linter of workflows, which the tests call; built once with Go.

    Raises:
        MissingTool: it is not on PATH and there is no Go to build it with.
    """
    found = find_actionlint(cache)
    if found is not None:
        return found
    target = cache / f"actionlint-{ACTIONLINT_VERSION}"
    on_progress("building actionlint with Go, once")
    build(
        target,
        module=(ACTIONLINT, ACTIONLINT_VERSION),
        package=f"{ACTIONLINT}/cmd/actionlint",
        ldflags="-s -w",
        on_progress=on_progress,
        hint="install Go 1.24 or newer, or put `actionlint` on PATH",
    )
    return target / "bin" / "actionlint"


def find_actionlint(cache: Path) -> Path | None:
    """The linter of workflows, where it is there already."""
    on_path = shutil.which("actionlint")
    built = cache / f"actionlint-{ACTIONLINT_VERSION}" / "bin" / "actionlint"
    return Path(on_path) if on_path else (built if built.exists() else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRack:
    """What emulated servers are made from, in the cache folder."""

    image: image.Image
    snapshot: snapshot.Snapshot
    repository: Path


def prepare_rack(cache: Path, on_progress: Progress) -> PreparedRack:
    """Make the servers' image, its snapshot and the apt repository, each once (two minutes).

    Raises:
        MissingTool: this machine cannot emulate a server; the message lists all that is missing.
    """
    require_rack(cache)
    made = image.ensure(cache, on_progress)
    return PreparedRack(
        image=made,
        snapshot=snapshot.ensure(cache, made, on_progress),
        repository=packages.ensure_repository(cache, on_progress),
    )


def prepare(cache: Path, on_progress: Progress) -> Prepared:
    """Make the root filesystem, the apt repository and the wheelhouse, each once.

    Raises:
        MissingTool: this machine cannot boot a host; the message lists all that is missing.
    """
    require(hint="with --no-site everything else runs")
    return Prepared(
        rootfs=rootfs.ensure(cache, on_progress),
        repository=packages.ensure_repository(cache, on_progress),
        wheelhouse=packages.ensure_wheelhouse(cache, on_progress),
    )
