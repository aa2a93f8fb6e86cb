"""The Pulumi command line: found, installed, or built once from its source modules.

One on PATH of a good enough version is used. Otherwise the official installer is asked; where its
site does not answer (a closed network), the command is built with Go from the module proxy and
kept in the user's cache folder. The build is the ordinary one, but for two things: the Automation
API wants a version in the binary, and the Python language host's module is not published for
newer versions than 3.75, so that one stands in a folder of its own, for plain `pulumi` runs only.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from landfall import files
from landfall.errors import CommandFailed, LandfallError, MissingTool
from landfall.golang import build, module_folder
from landfall.process import run

VERSION = "3.255.0"
"""What is installed or built; the SDK in pyproject.toml is of the same version."""

OLDEST = (3, 226, 1)
"""Exit codes and engine events as we read them exist since this version."""

LANGUAGE_HOST_VERSION = "3.75.0"
"""The last sdk module that contains the Python language host's command."""

INSTALL_TIMEOUT_S = 180.0

COMMAND = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
LANGUAGE_HOST = "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"
SDK = "github.com/pulumi/pulumi/sdk/v3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """Where the commands are.

    Attributes:
        pulumi: the command line.
        origin: "PATH", "installed" or "built".
        language_host: a folder to put on PATH for plain `pulumi up`, or None where the
            distribution brings its own.
    """

    pulumi: Path
    version: str
    origin: str
    language_host: Path | None

    def path(self, before: str) -> str:
        """A PATH on which a plain `pulumi up` finds everything."""
        folders = [str(self.pulumi.parent)]
        if self.language_host is not None:
            folders.append(str(self.language_host))
        return ":".join([*folders, before])


def find(cache: Path) -> Toolchain | None:
    """The commands that are there already, without installing anything."""
    on_path = shutil.which("pulumi")
    if on_path and (version := _version(Path(on_path))):
        return _toolchain(Path(on_path), version, "PATH", cache)
    for origin, binary in (("installed", _installed(cache)), ("built", _built(cache))):
        if binary.exists() and (version := _version(binary)):
            return _toolchain(binary, version, origin, cache)
    return None


def ensure(cache: Path, *, on_progress: Callable[[str], None]) -> Toolchain:
    """The commands, got if they are not there yet. Safe to run twice at once, and to kill.

    Raises:
        MissingTool: neither the installer's site nor Go is there; the hint says what to do.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "pulumi.lock"):
        found = find(cache)
        if found is None:
            if not _install(cache, on_progress):
                _build(cache, on_progress)
            found = find(cache)
        if found is None:
            raise LandfallError(f"the Pulumi command in {cache} does not run")
        if found.language_host is not None and not (found.language_host / "ready").exists():
            _build_language_host(found.language_host, on_progress)
        return found


def _toolchain(pulumi: Path, version: str, origin: str, cache: Path) -> Toolchain:
    beside = shutil.which("pulumi-language-python", path=str(pulumi.parent))
    host = None if beside else cache / f"pulumi-language-{LANGUAGE_HOST_VERSION}-{VERSION}"
    return Toolchain(pulumi=pulumi, version=version, origin=origin, language_host=host)


def _installed(cache: Path) -> Path:
    return cache / f"pulumi-{VERSION}" / "bin" / "pulumi"


def _built(cache: Path) -> Path:
    return cache / f"pulumi-built-{VERSION}" / "bin" / "pulumi"


def _version(binary: Path) -> str | None:
    """The version of a command, or None where it is too old or does not run."""
    try:
        text = run([binary, "version"], env=QUIET, timeout_s=30).stdout
    except (CommandFailed, MissingTool, OSError):
        return None
    match = re.match(r"v(\d+)\.(\d+)\.(\d+)", text)
    if match is None or tuple(int(part) for part in match.groups()) < OLDEST:
        return None
    return match[0].removeprefix("v")


POLICY_STARTER = """#!/bin/sh
exec "${LANDFALL_PYTHON:-python3}" -u -m pulumi.policy "$1" "$2"
"""
"""What the engine starts where no Python language host is on PATH: it runs a pack's __main__.py."""


def policy_starter(cache: Path) -> Path:
    """The folder of the command with which the engine starts policy packs. Made if not there.

    Only for an engine without a language host (a built one, under the Automation API): the
    official distribution's host starts packs itself. `LANDFALL_PYTHON` says which Python is used.
    """
    script = cache / "policy-starter" / "pulumi-analyzer-policy-python"
    if not script.exists() or script.read_text(encoding="utf-8") != POLICY_STARTER:
        files.write(script, POLICY_STARTER, mode=0o755)
    return script.parent


QUIET = {"PULUMI_SKIP_UPDATE_CHECK": "1", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}
"""What keeps the command from asking the network for anything by itself."""

INSTALLER = """
import sys
from pulumi.automation import PulumiCommand
import semver
PulumiCommand.install(root=sys.argv[1], version=semver.Version.parse(sys.argv[2]))
"""


def _install(cache: Path, on_progress: Callable[[str], None]) -> bool:
    import sys

    on_progress(f"asking the official installer for Pulumi {VERSION}")
    target = _installed(cache).parent.parent
    try:
        run(
            [sys.executable, "-c", INSTALLER, target, VERSION],
            timeout_s=INSTALL_TIMEOUT_S,
            what="the official installer",
        )
    except CommandFailed:
        shutil.rmtree(target, ignore_errors=True)
        on_progress("the installer's site does not answer; building from source instead")
        return False
    return _installed(cache).exists()


def _build(cache: Path, on_progress: Callable[[str], None]) -> None:
    flags = f"-s -w -X {SDK}/go/common/version.Version=v{VERSION}"
    on_progress(f"building Pulumi {VERSION} with Go, once; this takes some minutes")
    build(
        _built(cache).parent.parent,
        module=("github.com/pulumi/pulumi/pkg/v3", VERSION),
        package=COMMAND,
        ldflags=flags,
        on_progress=on_progress,
        hint="install Go 1.24 or newer, or put a `pulumi` command on PATH",
    )


def _build_language_host(folder: Path, on_progress: Callable[[str], None]) -> None:
    on_progress("building Pulumi's Python language host with Go, once")
    made = folder.with_suffix(".made")
    build(
        made,
        module=(SDK, LANGUAGE_HOST_VERSION),
        package=LANGUAGE_HOST,
        ldflags="-s -w",
        on_progress=on_progress,
        hint="install Go 1.24 or newer, or put the official Pulumi distribution on PATH",
    )
    # The script beside it starts the program; it must match the Python SDK, not the host.
    source = module_folder(made, f"{SDK}@v{VERSION}")
    script = made / "bin" / "pulumi-language-python-exec"
    shutil.copyfile(source / "python" / "cmd" / script.name, script)
    script.chmod(0o755)
    (made / "bin" / "ready").touch()
    shutil.rmtree(folder, ignore_errors=True)
    (made / "bin").rename(folder)
    shutil.rmtree(made, ignore_errors=True)
