"""A host that was installed anew has lost its journal; the controller still knows its array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from . import journal
from .facts import Facts


def with_pin(facts: Facts, manifest: Mapping[str, Any]) -> Facts:
    """The facts, with the journal of the array that `manifest` names, if its disks are here.

    A host that has a journal keeps it, and disks that carry another array stay strangers.
    """
    uuid = manifest.get("md_uuid", "")
    if facts.journal is not None or not any(disk.md_uuid == uuid for disk in facts.disks if uuid):
        return facts
    known = journal.adopted(
        uuid,
        manifest["luks_uuid"],
        manifest["filesystem_uuid"],
        tuple(manifest["members"]),
        tuple(manifest["spares"]),
    )
    return replace(facts, journal=replace(known, digests=dict(manifest["sha256"])))
