from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from landfall import handoff
from landfall.errors import InvalidInput, LandfallError


def value() -> dict[str, Any]:
    tunnel = {
        "edge": "edge-a",
        "cloud_address": "203.0.113.5",
        "cloud_inside": "169.254.10.1",
        "site_inside": "169.254.10.2",
        "cloud_asn": 64512,
        "preshared_key_arn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:s2svpn-x",
    }
    return {
        "account": "123456789012",
        "region": "eu-central-1",
        "provider": "offline",
        "vpc_cidr": "10.100.0.0/16",
        "bucket": "artifacts-1",
        "artifacts_key_arn": "arn:aws:kms:eu-central-1:123456789012:key/1",
        "tunnels": [tunnel, dict(tunnel, cloud_inside="169.254.11.1", site_inside="169.254.11.2")],
    }


def test_round_trip(tmp_path: Path) -> None:
    told = handoff.parse({"handoff": value()})
    handoff.save(told, tmp_path / "x" / "handoff.json")
    assert handoff.load(tmp_path / "x" / "handoff.json") == told


def test_every_problem_is_named() -> None:
    wrong = value()
    wrong["account"] = "12"
    wrong["tunnels"][1]["preshared_key_arn"] = "the-key-itself"
    del wrong["bucket"]
    with pytest.raises(InvalidInput) as caught:
        handoff.parse({"handoff": wrong})
    assert {each.path for each in caught.value.problems} == {
        "handoff.account",
        "handoff.bucket",
        "handoff.tunnels.1.preshared_key_arn",
    }


def test_no_outputs_yet() -> None:
    with pytest.raises(InvalidInput, match="has not been brought up"):
        handoff.parse({})


def test_no_file_yet(tmp_path: Path) -> None:
    with pytest.raises(LandfallError, match="has not been brought up"):
        handoff.load(tmp_path / "handoff.json")
