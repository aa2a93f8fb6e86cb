"""In which order a host's unit is put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.loading import plugin

UNIT = plugin("modules", "landfall_unit")


class Module:
    """Remembers what was run."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def run_command(self, words: list[str], **_: Any) -> tuple[int, str, str]:
        if "show" not in words:
            self.ran.append(" ".join(words[1:]))
        return 0, "", ""


@pytest.mark.parametrize(
    ("text", "first"),
    [("[X-Landfall]\nGPUs=0,1\n", "disable --now"), ("[Service]\nExecStart=GPUs=0\n", "enable")],
)
def test_an_engine_that_goes_gives_its_gpus_back_before_another_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, first: str
) -> None:
    monkeypatch.setattr(UNIT, "SERVICES", str(tmp_path))
    monkeypatch.setattr(UNIT, "ENGINES", f"{tmp_path}/landfall-engine-*.service")
    monkeypatch.setattr(UNIT, "CONTAINERS", f"{tmp_path}/landfall-container-*.service")
    old, new = (str(tmp_path / f"landfall-engine-{each * 12}.service") for each in "ab")
    Path(old).write_text("")
    Path(new).write_text(text)
    module = Module()
    UNIT._switch(module, {"files": {old: ""}}, surplus=[new], written=set())
    assert module.ran[0] == "daemon-reload"
    assert module.ran[1].startswith(first)
    assert not Path(new).exists()
    assert [each for each in module.ran if each.startswith("start")] == [f"start {Path(old).name}"]
