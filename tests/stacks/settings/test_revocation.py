"""Revoking a host: what the stack's file says before and after, and what the roles then say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from landfall.cli import revoke as command
from landfall.cli.main import app
from landfall.errors import InvalidInput
from landfall.model.environment import Environment
from stacks.anywhere import NAME_KEY, reader_policy, trust
from stacks.settings.loading import file_configuration
from stacks.settings.parts import SiteHosts
from stacks.settings.revocation import revoke, with_revoked

ANCHOR = "arn:aws:rolesanywhere:eu-central-1:111122223333:trust-anchor/0a1b2c3d"

BEFORE = """# a comment that stays
config:
  landfall:region: eu-central-1
  landfall:identity:
    siteHosts:
      certificateAuthority: ca.pem  # of the site
      hosts: [gpu-1.site.example, gpu-2.site.example]
  landfall:protect: false
"""


def environment(folder: Path, text: str = BEFORE) -> Environment:
    found = Environment(name="prod", root=folder)
    found.stack_file.write_text(text)
    return found


def hosts(of: Environment) -> SiteHosts:
    identity = file_configuration(of)["identity"]
    assert isinstance(identity, dict)
    return SiteHosts.model_validate(identity["siteHosts"])


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        pytest.param(
            "siteHosts:\n      hosts: [a, b]",
            "siteHosts:\n      revoked: [b]\n      hosts: [a, b]",
            id="no list yet",
        ),
        pytest.param(
            "siteHosts: {hosts: [a, b]}", "siteHosts: {revoked: [b], hosts: [a, b]}", id="one line"
        ),
        pytest.param(
            "siteHosts:\n      revoked: [a]\n      hosts: [a, b]",
            "siteHosts:\n      revoked: [b, a]\n      hosts: [a, b]",
            id="a list",
        ),
        pytest.param(
            "siteHosts:\n      revoked: []\n      hosts: [a, b]",
            "siteHosts:\n      revoked: [b]\n      hosts: [a, b]",
            id="an empty list",
        ),
        pytest.param(
            "siteHosts:\n      revoked:\n        - a  # lost\n      hosts: [a, b]",
            "siteHosts:\n      revoked:\n        - b\n        - a  # lost\n      hosts: [a, b]",
            id="a list of lines",
        ),
        pytest.param(
            "siteHosts:\n      revoked:\n      - a\n      hosts: [a, b]",
            "siteHosts:\n      revoked:\n      - b\n      - a\n      hosts: [a, b]",
            id="a list of lines without indentation",
        ),
    ],
)
def test_the_list_is_written_where_it_stands(written: str, wanted: str) -> None:
    around = "config:\n  landfall:identity:\n    {}\n  landfall:protect: true  # stays\n"
    assert with_revoked(around.format(written), "b") == around.format(wanted)
    yaml.safe_load(around.format(wanted))


def test_a_revoked_host_is_denied_and_the_others_are_not(tmp_path: Path) -> None:
    prod = environment(tmp_path)
    assert revoke(prod, "gpu-1.site.example")
    found = hosts(prod)

    statements = json.loads(trust(ANCHOR, hosts=found.hosts, revoked=found.revoked))["Statement"]
    by_effect = {each["Effect"]: each["Condition"]["StringEquals"][NAME_KEY] for each in statements}
    assert by_effect == {"Allow": ["gpu-2.site.example"], "Deny": ["gpu-1.site.example"]}

    text = reader_policy(bucket_arn="arn:aws:s3:::b", key_arn="k", revoked=found.revoked)
    (denied,) = [each for each in json.loads(text)["Statement"] if each["Effect"] == "Deny"]
    assert denied["Action"] == ["*"]
    assert denied["Condition"] == {"StringEquals": {NAME_KEY: ["gpu-1.site.example"]}}


def test_nothing_else_in_the_file_changes(tmp_path: Path) -> None:
    prod = environment(tmp_path)
    revoke(prod, "gpu-1.site.example")
    added = "      revoked: [gpu-1.site.example]\n"
    assert prod.stack_file.read_text().replace(added, "") == BEFORE


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    prod = environment(tmp_path)
    assert revoke(prod, "gpu-1.site.example")
    after = prod.stack_file.read_text()
    assert not revoke(prod, "gpu-1.site.example")
    assert prod.stack_file.read_text() == after


def test_a_second_host_is_revoked_beside_the_first(tmp_path: Path) -> None:
    prod = environment(tmp_path)
    revoke(prod, "gpu-1.site.example")
    revoke(prod, "gpu-2.site.example")
    assert set(hosts(prod).revoked) == {"gpu-1.site.example", "gpu-2.site.example"}
    (only,) = json.loads(trust(ANCHOR, hosts=hosts(prod).hosts, revoked=hosts(prod).revoked))[
        "Statement"
    ]
    assert only["Effect"] == "Deny"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BEFORE, "gpu-3.site.example is not among the hosts; did you mean gpu-"),
        ("config: {landfall:region: eu-central-1}\n", "no host of the site gets credentials"),
        (BEFORE.replace("certificateAuthority: ca.pem", "authority: x"), "unknown key"),
    ],
)
def test_what_cannot_be_revoked_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    prod = environment(tmp_path, text)
    with pytest.raises(InvalidInput, match=message):
        revoke(prod, "gpu-3.site.example")
    assert prod.stack_file.read_text() == text


def test_the_command_says_what_is_left_to_do(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prod = Environment(name="prod", root=checkout)
    monkeypatch.setattr(command, "find", lambda _name: prod)
    host = hosts(prod).hosts[0]
    shown = CliRunner().invoke(app, ["revoke", host, "prod", "--dry-run"])
    assert f"{host} would be revoked in Pulumi.prod.yaml" in shown.output
    assert hosts(prod).revoked == ()
    for words in ("is revoked in", "was revoked already in"):
        result = CliRunner().invoke(app, ["revoke", host, "prod"])
        assert result.exit_code == 0, result.output
        assert f"{host} {words} Pulumi.prod.yaml" in result.output
        assert "landfall up prod" in result.output
    assert hosts(prod).revoked == (host,)
