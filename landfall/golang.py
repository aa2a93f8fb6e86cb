"""Building a Go command once from its published modules, in a closed network that has a mirror."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from landfall.process import run, stream, which

SAY_EVERY = 100
"""Packages between two lines of progress."""


def build(
    target: Path,
    *,
    module: tuple[str, str],
    package: str,
    ldflags: str,
    on_progress: Callable[[str], None],
    hint: str,
) -> None:
    """Build `package` of a module at a version; the command is then `target/bin/<name>`.

    It appears whole or not at all.

    Raises:
        MissingTool: there is no `go`; `hint` says what to do.
        CommandFailed: a module could not be fetched or compiled.
    """
    go = which("go", hint=hint)
    work = target.with_name(f"{target.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    name, version = module
    lines = ["module landfall.local/tool", "go 1.24", f"tool {package}"]
    (work / "go.mod").write_text("\n\n".join([*lines, f"require {name} v{version}"]) + "\n")
    seen = 0

    def compiled(line: str) -> None:
        nonlocal seen
        seen += 1
        if seen % SAY_EVERY == 0:
            on_progress(f"{seen} packages: {line.rsplit(maxsplit=1)[-1]}")

    stream([go, "mod", "tidy"], cwd=work, on_line=compiled, what="go mod tidy")
    on_progress("sources are here; compiling")
    output = str(work / "bin" / Path(package).name)
    command = [str(go), "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", ldflags]
    stream([*command, "-o", output, package], cwd=work, on_line=compiled, what="go build")
    shutil.rmtree(target, ignore_errors=True)
    work.rename(target)


def module_folder(work: Path, module: str) -> Path:
    """Where the sources of `module@version` lie, fetched if they are not there."""
    done = run([which("go"), "mod", "download", "-json", module], cwd=work, what="go mod download")
    return Path(json.loads(done.stdout)["Dir"])
