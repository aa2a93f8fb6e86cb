"""What a host needs to look after an engine in a container, without the packages of a real one."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil

from landfall.model.environment import ROOT

LIBRARY = "opt/landfall/lib"
PYTHON = "opt/landfall/env-0/bin/python"
MODULES = (
    *("engines/supervise", "engines/serve/notify.py"),
    *("landfall/process.py", "landfall/errors.py", "landfall/files.py"),
)
STARTS = """#!/bin/sh
if [ "$2" = engines.supervise.check ]; then
    [ -e /srv/refuse ] && echo "engines.supervise: not what was signed" >&2 && exit 1
    exit 0
fi
PYTHONPATH=/opt/landfall/lib exec /usr/bin/python3 "$@"
"""
"""The supervisor is the real one. The check before it needs packages and a GPU: here it says no
where a file says so."""


def lay_out(tree: Path, *more: str) -> None:
    """Write it below `tree`; `more` are further modules of the repository."""
    library = tree / LIBRARY
    for package in ("engines", "engines/serve", "landfall"):
        (library / package).mkdir(parents=True, exist_ok=True)
        (library / package / "__init__.py").write_text("")
    shutil.copytree(Path(psutil.__file__).parent, library / "psutil", symlinks=True)
    for name in (*MODULES, *more):
        source, target = ROOT / name, library / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    python = tree / PYTHON
    python.parent.mkdir(parents=True)
    python.write_text(STARTS)
    python.chmod(0o755)
