"""What the role `burnin` decides on the controller: pairs, records, drift and admission."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from landfall.model.burnin import digest, drift, pairs, parse_diag, record, refusal


def with_gpu(measured: dict[str, Any]) -> dict[str, Any]:
    """What a host measured, with the text of its GPU diagnostic read."""
    text, failed = measured["diag"], dict(measured["failed"])
    tests: list[dict[str, Any]] = []
    if text:
        try:
            tests = parse_diag(text)
        except ValueError as error:
            failed["gpu"] = str(error)
    return {**measured, "gpu": tests, "failed": failed}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {
            "burnin_digest": digest,
            "burnin_drift": drift,
            "burnin_pairs": pairs,
            "burnin_record": lambda measured, **more: record(with_gpu(measured), **more),
            "burnin_refusal": refusal,
        }
