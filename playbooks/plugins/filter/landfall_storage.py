"""What the controller knows about the escrow of a host's array, and how a wipe was asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars

FILES = ("header.cms", "recovery.cms", "manifest.json")
"""What lies in the escrow folder of a host; manifest.json names the digests of the others."""


def storage_escrow_digests(folder: str) -> dict[str, str]:
    """SHA-256 of each escrow file that the controller holds, by name."""
    found = {name: Path(folder) / name for name in FILES}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in found.items()
        if path.is_file()
    }


def storage_not_held(wanted: Mapping[str, str], folder: str) -> list[str]:
    """The escrow files of a host that the controller does not hold as they are there."""
    held = storage_escrow_digests(folder)
    return [name for name in sorted(wanted) if held.get(name) != wanted[name]]


def storage_pinned(folder: str) -> dict[str, Any]:
    """The manifest of the array that the host had when its keys were last fetched; {} for none.

    Only one whose files are there as it says counts.
    """
    path = Path(folder) / "manifest.json"
    if not path.is_file():
        return {}
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    held = storage_escrow_digests(folder)
    intact = all(held.get(name) == digest for name, digest in manifest["sha256"].items())
    return {**manifest, "sha256": held} if intact else {}


def storage_given_with_run(value: object, name: str) -> bool:
    """Whether a variable is empty, or came with this very run and from no file of the inventory."""
    return not value or load_extra_vars(DataLoader()).get(name) == value


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {
            "storage_escrow_digests": storage_escrow_digests,
            "storage_not_held": storage_not_held,
            "storage_pinned": storage_pinned,
            "storage_given_with_run": storage_given_with_run,
        }
