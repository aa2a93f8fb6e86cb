"""Alert rules: promtool accepts each, each tells cause and next step, and fires when it should."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from landfall import process, render
from tests.playbooks.loading import plugin

HERE = Path(__file__).parent / "prometheus"
RULES = sorted(path.name for path in (render.TEMPLATES / "prometheus/rules").glob("*.yml.j2"))
TESTED = sorted(path.name for path in HERE.glob("*.yml"))


def filters(name: str) -> Any:
    return plugin("filter", name).FilterModule().filters()


VALUES = {
    "__metrics_xids": filters("landfall_metrics")["metrics_xids"](["reset", "reboot", "isolate"])
}


def rendered(template: str) -> str:
    return render.render(f"prometheus/rules/{template}", VALUES)


@pytest.mark.parametrize("template", RULES)
def test_every_alert_names_the_cause_and_the_next_step(template: str) -> None:
    groups = yaml.safe_load(rendered(template))["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    assert alerts
    for alert in alerts:
        assert alert["labels"]["severity"] in ("warning", "critical"), alert["alert"]
        told = alert["annotations"]
        assert told["summary"], alert["alert"]
        assert told.get("action") or told.get("description"), alert["alert"]


def test_no_alert_has_the_name_of_another() -> None:
    names = [
        rule["alert"]
        for template in RULES
        for group in yaml.safe_load(rendered(template))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.services
@pytest.mark.parametrize("template", RULES)
def test_prometheus_accepts_them(template: str, tmp_path: Path) -> None:
    assert shutil.which("promtool"), "apt-get install prometheus"
    path = tmp_path / "rules.yml"
    path.write_text(rendered(template))
    done = process.run(["promtool", "check", "rules", path], check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.services
@pytest.mark.parametrize("case", TESTED)
def test_they_fire_when_they_should_and_only_then(case: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(rendered(f"{case}.j2"))
    shutil.copy(HERE / case, tmp_path / "test.yml")
    done = process.run(["promtool", "test", "rules", "test.yml"], cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
