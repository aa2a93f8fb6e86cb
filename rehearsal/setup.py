"""What a machine needs before a rehearsal runs: found out first, installed where it can be."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from landfall import process
from landfall.errors import MissingTool
from rehearsal import packages, rootfs
from rehearsal.preflight import PROGRAMS, preflight

Progress = Callable[[str], None]

FOR_TESTS = {"nginx": "nginx-light"}
"""Programs that only the tests call, and the Debian packages that bring them."""

NO_START = {"RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
"""Keeps Debian's packages from starting their services: what is installed here is only called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What the rack is made from, in the cache folder."""

    rootfs: Path
    repository: Path
    wheelhouse: packages.Wheelhouse


def missing_packages() -> list[str]:
    """The Debian packages whose programs are not there."""
    wanted = PROGRAMS | FOR_TESTS
    found = {package for program, package in wanted.items() if shutil.which(program) is None}
    return sorted(found)


def install_packages(on_progress: Progress) -> list[str]:
    """Install what is missing, where this process may; say what it installed.

    Raises:
        MissingTool: it may not (no root), or this is no Debian; the message has the command.
        CommandFailed: apt could not fetch or install a package.
    """
    wanted = missing_packages()
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


def prepare(cache: Path, on_progress: Progress) -> Prepared:
    """Make the root filesystem, the apt repository and the wheelhouse, each once.

    Raises:
        MissingTool: this machine cannot boot a host; the message lists all that is missing.
    """
    missing = preflight()
    if missing:
        raise MissingTool(
            "\n".join(["this machine cannot boot a host:", *(f"  {each}" for each in missing)]),
            hint="with --no-site everything else runs",
        )
    return Prepared(
        rootfs=rootfs.ensure(cache, on_progress),
        repository=packages.ensure_repository(cache, on_progress),
        wheelhouse=packages.ensure_wheelhouse(cache, on_progress),
    )
