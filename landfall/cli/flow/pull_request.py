"""A pull request for the demo: a copy of the checkout in which three lines differ.

No run changes a tracked file, so the change is made in a copy that shares the state of the real
checkout.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from landfall import process
from landfall.errors import LandfallError
from landfall.model.environment import LEAVINGS, Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One line that the pull request changes."""

    path: str
    before: str
    after: str


IGNORED = {".git", LEAVINGS, ".venv", "__pycache__"}

EDITS = (
    Edit(
        path="Pulumi.dev.yaml",
        before="instanceTypes: [g6.xlarge]",
        after="instanceTypes: [g6e.xlarge]",
    ),
    Edit(
        path="inventories/dev/group_vars/gpu_hosts/gateway.yml",
        before="gateway_requests_per_second: 20",
        after="gateway_requests_per_second: 50",
    ),
    Edit(path="engines/specs/tiny-lm.yaml", before="precision: int8", after="precision: int4"),
)


def open_one(environment: Environment) -> Environment:
    """The environment as the pull request would have it, in a copy of the checkout.

    Raises:
        LandfallError: a line that is to be changed is not there.
    """
    folder = environment.work / "pull-request"
    shutil.rmtree(folder, ignore_errors=True)
    copy(environment.root, folder)
    (folder / LEAVINGS).symlink_to(environment.leavings)
    for edit in EDITS:
        _apply(folder, edit)
    return Environment(name=environment.name, root=folder)


def copy(root: Path, folder: Path) -> None:
    """Copy the files of the checkout `root` into `folder`, without what runs leave behind."""
    for name in _files(root):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, target)


def _files(root: Path) -> list[str]:
    """Every file of the checkout that git tracks or would; without git, all but what runs leave."""
    done = process.run(
        ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=False,
    )
    if done.returncode == 0:
        return [name for name in done.stdout.split("\0") if name and (root / name).is_file()]
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return [str(path) for path in found if not IGNORED & set(path.parts)]


def _apply(folder: Path, edit: Edit) -> None:
    path = folder / edit.path
    text = path.read_text()
    if text.count(edit.before) != 1:
        raise LandfallError(f"{edit.path} does not have the line `{edit.before}` once")
    path.write_text(text.replace(edit.before, edit.after))
