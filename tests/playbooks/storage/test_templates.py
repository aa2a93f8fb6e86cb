"""Units that systemd accepts, and alerts that fire when they should and say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from landfall import process, render
from landfall.model.array import Array

ARRAY = Array(members=("S1", "S2", "S3", "S4")).model_dump(mode="json")
VALUES: dict[str, Any] = {"storage_array": ARRAY, "storage_watch_every_s": 60}
UNITS = [
    f"landfall-storage-{name}" for name in ("scrub.service", "scrub.timer", "watch.service")
] + ["landfall-storage-watch.timer"]
RULES = "prometheus/rules/storage.yml.j2"


@pytest.mark.parametrize("unit", UNITS)
def test_the_text_is_what_was_reviewed(unit: str) -> None:
    golden = Path(__file__).parent / f"{unit}.golden"
    assert render.render(f"etc/systemd/system/{unit}.j2", VALUES) == golden.read_text()


def test_systemd_understands_when_it_scrubs() -> None:
    said = process.run(["systemd-analyze", "calendar", ARRAY["scrub"]]).stdout
    assert "Next elapse" in said


def test_every_alert_says_what_to_do() -> None:
    (group,) = yaml.safe_load(render.render(RULES, VALUES))["groups"]
    assert len(group["rules"]) >= 9
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["action"].endswith(".")


def series(name: str, labels: str, values: str) -> dict[str, str]:
    return {"series": f'{name}{{instance="gpu-1",{labels}}}', "values": values}


FIRES = [
    ("ArrayDegraded", "landfall_md_degraded", 'array="data"', "1x10"),
    ("DiskAbsent", "landfall_disk_present", 'serial="S1"', "0x10"),
    ("ArrayNotMounted", "landfall_storage_mounted", 'mount="/srv/data"', "0x10"),
    ("DiskWarns", "landfall_disk_critical_warning", 'serial="S1"', "4x10"),
]


@pytest.mark.services
@pytest.mark.parametrize(("alert", "metric", "labels", "values"), FIRES)
def test_an_alert_fires(alert: str, metric: str, labels: str, values: str, tmp_path: Path) -> None:
    """Prometheus's own tool runs the rules: with trouble it fires, without it is silent."""
    rules = tmp_path / "storage.yml"
    rules.write_text(render.render(RULES, VALUES))
    healthy = "0x10" if not values.startswith("0") else "1x10"

    def fires(shown: str) -> bool:
        key, _, value = labels.partition("=")
        expected = {"severity": "critical", "instance": "gpu-1", key: value.strip('"')}
        tests = {
            "rule_files": [str(rules)],
            "tests": [
                {
                    "interval": "1m",
                    "input_series": [series(metric, labels, shown)],
                    "promql_expr_test": [
                        {
                            "expr": f'ALERTS{{alertname="{alert}",alertstate="firing"}}',
                            "eval_time": "8m",
                            "exp_samples": [
                                {
                                    "labels": "ALERTS{"
                                    + ",".join(
                                        f'{name}="{word}"'
                                        for name, word in {
                                            **expected,
                                            "alertname": alert,
                                            "alertstate": "firing",
                                        }.items()
                                    )
                                    + "}",
                                    "value": 1,
                                }
                            ],
                        }
                    ],
                }
            ],
        }
        file = tmp_path / "test.yml"
        file.write_text(yaml.safe_dump(tests))
        return process.run(["promtool", "test", "rules", file], check=False).returncode == 0

    assert process.run(["promtool", "check", "rules", rules]).returncode == 0
    assert fires(values)
    assert not fires(healthy)
