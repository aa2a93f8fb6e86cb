"""dev, staging and prod come up, stay as they are, and go, or say what they keep."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from landfall.cli.flow import cost as costs
from landfall.cli.flow import graph
from landfall.cost import Assumptions, monthly
from landfall.errors import Refused
from landfall.handoff import Handoff, parse
from landfall.model.environment import ROOT, cache_folder, find
from stacks import automation, toolchain
from stacks.changes import Collector
from stacks.declared import Declared, of_state
from stacks.offline import semantics
from stacks.settings import check_file
from tests.docs.documents import document

pytestmark = pytest.mark.cloud

NAMES = ("prod", "staging", "dev")
"""staging uses prod's registry, so prod comes first."""

LEAST_RESOURCES = {"prod": 150, "staging": 100, "dev": 100}

KEPT = ("aws:kms/key:Key", "aws:s3/bucket:Bucket", "aws:rds/instance:Instance",
        "aws:fsx/lustreFileSystem:LustreFileSystem", "aws:eks/cluster:Cluster")  # fmt: skip


class Life:
    """What happened to one environment."""

    def __init__(self, session: automation.Session) -> None:
        self.first: Collector = automation.preview(session)
        self.outputs: dict[str, object] = automation.up(session)
        self.second: Collector = automation.preview(session)
        self.declared: tuple[Declared, ...] = of_state(automation.export(session))
        self.session = session

    @property
    def handoff(self) -> Handoff:
        return parse(self.outputs)


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Life]]:
    tools = toolchain.find(cache_folder())
    assert tools is not None
    folder: Path = tmp_path_factory.mktemp("state")
    with automation.offline(find("prod"), tools, folder) as base:
        found: dict[str, Life] = {}
        for name in NAMES:
            session = automation.Session(
                environment=find(name),
                cloud=base.cloud,
                backend=base.backend,
                toolchain=tools,
                variables=base.variables,
            )
            found[name] = Life(session)
        yield found


@pytest.mark.parametrize("name", NAMES)
def test_it_comes_up_as_planned_and_then_stays(name: str, lives: dict[str, Life]) -> None:
    life = lives[name]
    assert life.first.policy_failures == []
    assert len(life.first.changes) >= LEAST_RESOURCES[name]
    assert {each.kind.value for each in life.first.changes} == {"create"}
    assert life.second.changes == []
    assert life.second.unchanged >= len(life.first.changes)


@pytest.mark.parametrize("name", NAMES)
def test_no_rule_is_broken_and_none_is_left_undecided(name: str, lives: dict[str, Life]) -> None:
    assert lives[name].second.policy_failures == []
    # What has no list price stays open.
    assert lives[name].second.undecided.keys() <= {"monthly-cost-cap"}


@pytest.mark.parametrize("name", NAMES)
def test_every_type_is_in_the_offline_tables(name: str, lives: dict[str, Life]) -> None:
    found = {each.type for each in lives[name].declared if each.type.startswith("aws:")}
    assert len(found) > 40
    assert sorted(token for token in found if not semantics.rules(token).known) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_site_is_told_what_it_must_know(name: str, lives: dict[str, Life]) -> None:
    told = lives[name].handoff
    edges = 2 if name == "prod" else 1
    assert len(told.tunnels) == 2 * edges
    assert all(each.preshared_key_arn for each in told.tunnels)
    assert len(told.resolver_addresses) == 2


def test_staging_uses_the_registry_of_prod(lives: dict[str, Life]) -> None:
    assert lives["staging"].handoff.registry == lives["prod"].handoff.registry
    assert lives["dev"].handoff.registry is None


@pytest.mark.parametrize("name", NAMES)
def test_every_resource_is_tagged_and_nothing_is_public(name: str, lives: dict[str, Life]) -> None:
    kinds = {each.type.rpartition(":")[2] for each in lives[name].declared}
    assert not kinds & {"InternetGateway", "NatGateway", "Eip", "User", "AccessKey"}
    tagged = [each.inputs["tagsAll"] for each in lives[name].declared if "tagsAll" in each.inputs]
    assert len(tagged) > 50
    for tags in tagged:
        assert tags["landfall:environment"] == name
        assert tags["landfall:cost-centre"]


def test_the_stack_says_whose_it_is(lives: dict[str, Life]) -> None:
    session = lives["prod"].session
    tags, _ = automation._run(session, lambda stack, _: stack.list_tags())
    assert tags["landfall:environment"] == "prod"
    assert tags["landfall:provider"] == "offline"


def test_prod_refuses_to_go_and_says_what_it_keeps(lives: dict[str, Life]) -> None:
    session = lives["prod"].session
    with pytest.raises(Refused) as caught:
        automation.destroy(session)
    for kind in KEPT:
        assert kind in str(caught.value)
    assert len(of_state(automation.export(session))) == len(lives["prod"].declared)


def test_the_picture_is_of_this_stack(lives: dict[str, Life]) -> None:
    """The boxes and arrows of docs/cloud.svg are those that the stack has now."""
    text = graph.dot(lives["prod"].declared)
    drawn = (ROOT / "docs/cloud.svg").read_text()
    boxes = set(re.findall(r'^  "([^"]+)" \[', text, re.M))
    arrows = {f"{a}->{b}" for a, b in re.findall(r'^  "([^"]+)" -> "([^"]+)"', text, re.M)}
    titles = {each.replace("&#45;", "-").replace("&gt;", ">") for each in re.findall(
        r"<title>(.*?)</title>", drawn
    )}  # fmt: skip
    assert titles == boxes | arrows | {"landfall"}


def test_the_table_of_costs_is_of_these_stacks(lives: dict[str, Life]) -> None:
    rows = {row[0]: row for row in document("docs/cloud.md").table("environment", "USD a month")}
    assert set(rows) == set(NAMES)
    for name, life in lives.items():
        settings = check_file(find(name)).settings
        assumed = Assumptions(training_hours=settings.training.hours_per_month)
        found = monthly(costs.rows(life.declared, settings), assumed)
        assert rows[name][1] == f"{found.total_usd:,.0f}", name
        assert settings.budget is None or found.total_usd <= settings.budget.monthly_usd


def test_dev_goes_and_leaves_nothing(lives: dict[str, Life]) -> None:
    session = lives["dev"].session
    automation.destroy(session)
    left: list[Any] = automation.export(session).get("resources") or []
    assert [each["type"] for each in left if each["type"] != "pulumi:pulumi:Stack"] == []
