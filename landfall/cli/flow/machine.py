"""What this machine has for each part of the loop."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass

from landfall.cli.console import Reporter
from landfall.model.environment import cache_folder
from rehearsal import setup
from rehearsal.preflight import preflight, rack_preflight
from stacks import toolchain


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that the loop needs. `detail` says what was found, or how to get it."""

    name: str
    present: bool
    detail: str
    needed_for: str


def look(*, site: bool = True, rack: bool = False) -> list[Finding]:
    """Everything that is needed, present or not. Changes nothing."""
    findings = [_python(), _pulumi()]
    if site:
        findings += [_packages(rack=rack), _hosts()]
    if rack:
        findings.append(_servers())
    return findings


def fix(tell: Reporter, *, site: bool = True, rack: bool = False) -> None:
    """Get what can be got: Debian packages, the Pulumi command, the rack's images.

    With `rack` also what emulated servers need.

    Raises:
        MissingTool: something cannot be got here; found out before anything long starts.
    """
    if site:
        with tell.step("Debian packages") as step:
            installed = setup.install_packages(step.update, rack=rack)
            step.result = ", ".join(installed) or "all there"
    with tell.step("Pulumi command") as step:
        found = toolchain.ensure(cache_folder(), on_progress=step.update)
        step.result = f"{found.version} ({found.origin})"
        step.update("actionlint")
        setup.ensure_actionlint(cache_folder(), step.update)
    if site:
        with tell.step("root filesystem, packages and wheels for the rack") as step:
            setup.prepare(cache_folder(), step.update)
    if rack:
        with tell.step("image of the emulated servers") as step:
            setup.prepare_rack(cache_folder(), step.update)


def _python() -> Finding:
    version = platform.python_version()
    return Finding(
        name="Python",
        present=sys.version_info[:2] in {(3, 11), (3, 12)},
        detail=f"{version} in {sys.prefix}",
        needed_for="everything; 3.11 or 3.12",
    )


def _pulumi() -> Finding:
    found = toolchain.find(cache_folder())
    detail = (
        f"{found.version} at {found.pulumi} ({found.origin})"
        if found
        else ("landfall doctor --fix gets or builds it")
    )
    return Finding(name="Pulumi", present=bool(found), detail=detail, needed_for="the cloud half")


def _packages(*, rack: bool) -> Finding:
    missing = setup.missing_packages(rack=rack)
    return Finding(
        name="Debian packages",
        present=not missing,
        detail=f"apt-get install {' '.join(missing)}" if missing else "all there",
        needed_for="the booted host and the tests",
    )


def _servers() -> Finding:
    missing = rack_preflight(cache_folder())
    return Finding(
        name="emulated servers",
        present=not missing,
        detail="; ".join(missing) or "QEMU, a switch, drives whose power can be cut",
        needed_for="nox -s rack",
    )


def _hosts() -> Finding:
    missing = preflight()
    who = "root" if os.geteuid() == 0 else "not root"
    return Finding(
        name="booted hosts",
        present=not missing,
        detail="; ".join(missing) or f"{who}, systemd-nspawn, namespaces",
        needed_for="the site half; --no-site leaves it out",
    )
