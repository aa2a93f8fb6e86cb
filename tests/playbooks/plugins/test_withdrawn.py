"""What the judge has taken out, against the release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.playbooks.loading import plugin

MODULE: Any = plugin("modules", "landfall_withdrawn")
MARK = "tiny-lm.aaaaaaaaaaaa.bbbbbbbbbbbb"
TRIAL = {"name": "tiny-lm", "mark": MARK, "share": 10, "canary": {"key": "b" * 64, "port": 20002}}


def test_what_the_release_still_names_is_drift(tmp_path: Path) -> None:
    (tmp_path / MARK).write_text(json.dumps({"reasons": ["quality: too low"]}))
    [found], stale = MODULE.compare(tmp_path, [TRIAL])
    assert found["id"] == MARK
    assert "the release gives bbbbbbbbbbbb 10 percent" in found["summary"]
    assert found["reasons"] == ["quality: too low"]
    assert stale == []


def test_what_no_release_names_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / MARK).touch()
    assert MODULE.compare(tmp_path, []) == ([], [tmp_path / MARK])
    assert MODULE.compare(tmp_path / "none", [TRIAL]) == ([], [])


def test_a_mark_made_by_hand_counts_too(tmp_path: Path) -> None:
    (tmp_path / MARK).touch()
    [found], _ = MODULE.compare(tmp_path, [TRIAL])
    assert found["reasons"] == ["the mark on the host gives no reason"]
