"""What `landfall site` refuses before a host is asked."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from landfall.cli.flow.site import INTERNAL, Asked, check_asked, playbooks
from landfall.cli.main import app
from landfall.errors import LandfallError, UsageError
from landfall.model.environment import ROOT, Environment, find

PROD = find("prod")


def refused(asked: Asked, environment: Environment = PROD) -> str:
    with pytest.raises(LandfallError) as caught:
        check_asked(environment, asked)
    return str(caught.value)


def test_a_playbook_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no playbook storrage; there are"):
        check_asked(PROD, Asked(playbook="storrage"))


def test_what_other_commands_run_is_not_offered() -> None:
    assert not INTERNAL & set(playbooks(PROD))
    assert {path.stem for path in (ROOT / "playbooks").glob("*.yml")} >= INTERNAL


@pytest.mark.parametrize("limit", ["", "gpu_hosts", "gpu-1,gpu-2", "gpu-*"])
def test_what_can_cost_data_touches_one_host(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("landfall.cli.flow.site.COST_DATA", frozenset({"site"}))
    assert "one host at a time" in refused(Asked(limit=limit))
    check_asked(PROD, Asked(limit=limit, several=True))
    check_asked(PROD, Asked(limit="gpu-1"))


def test_a_wrong_inventory_is_told_before_a_host_is_asked(dev: Environment) -> None:
    (dev.root / "playbooks").mkdir()
    (dev.root / "playbooks/site.yml").write_text("[]")
    file = dev.inventory / "host_vars/rack-1.yml"
    file.write_text(file.read_text().replace("min_cores: 2", "min_cores: none"))
    assert "host_vars/rack-1.yml: host.cpu.min_cores" in refused(Asked(), dev)


def test_a_variable_without_a_value() -> None:
    done = CliRunner().invoke(app, ["site", "dev", "--set", "burnin_required"])
    assert isinstance(done.exception, UsageError)
    assert "give NAME=VALUE" in str(done.exception)
