"""Every rule decides through the real engine: all failing cases in one preview, all others in one.

The resources of the cases are declared as they are written, against the offline provider, which
checks their properties: a rule that looked at a property that does not exist would find nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi import automation as auto

from landfall.model.environment import ROOT, Environment, cache_folder
from stacks import automation, toolchain
from stacks.policy.rules import rules
from tests.stacks.policy.cases import REFERENCE, STRICT, Case, load, references
from tests.stacks.policy.packs import pack

pytestmark = pytest.mark.engine

BY_ENGINE = [rule.name for rule in rules() if rule.check_changes is None]
FAILING = [case for name in BY_ENGINE for case in load(name) if case.for_engine and case.finds]
PASSING = [case for name in BY_ENGINE for case in load(name) if case.for_engine and not case.finds]


def declare(cases: list[Case]) -> None:
    """Declare the resources of all cases; each has a name of its own."""
    for number, case in enumerate(cases):
        made: dict[str, pulumi.CustomResource] = {}
        for name in in_order(case):
            declared = case.resources[name]
            props = {key: resolved(value, made) for key, value in declared.props.items()}
            options = pulumi.ResourceOptions(provider=provider(declared.provider))
            made[name] = Raw(declared.type, called(number, name), props, options)


def called(number: int, name: str) -> str:
    """The name of a case's resource among those of all cases."""
    return f"case{number}-{name}"


def in_order(case: Case) -> Iterator[str]:
    """The names of a case's resources, each after those that it refers to."""
    done: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name not in done:
            done.add(name)
            for each in references(case.resources[name].props):
                yield from visit(each)
            yield name

    for name in case.resources:
        yield from visit(name)


class Raw(pulumi.CustomResource):
    """A resource of any type, with properties under their camelCase names."""

    def __init__(
        self, kind: str, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions
    ) -> None:
        outputs = dict.fromkeys(("arn", "name"))
        super().__init__(kind, name, {**outputs, **props}, opts)

    def translate_output_property(self, prop: str) -> str:
        return prop


PROVIDERS: dict[str, pulumi.ProviderResource] = {}


def provider(props: Any) -> pulumi.ProviderResource:
    """A provider with these properties; cases that want the same share one."""
    key = repr(props)
    if key not in PROVIDERS:
        PROVIDERS[key] = pulumi.ProviderResource("aws", f"provider-{len(PROVIDERS)}", dict(props))
    return PROVIDERS[key]


def resolved(value: Any, made: dict[str, pulumi.CustomResource]) -> Any:
    """A property with references put in."""
    if isinstance(value, str) and (found := REFERENCE.fullmatch(value)):
        resource = made[found[1]]
        return resource.id if found[2] == "id" else getattr(resource, found[2])
    if isinstance(value, dict):
        return {name: resolved(each, made) for name, each in value.items()}
    return [resolved(each, made) for each in value] if isinstance(value, list) else value


class Judged:
    """What the policies said of a program, in one preview."""

    def __init__(self) -> None:
        self.violations: set[tuple[str, str]] = set()
        self.notes: set[tuple[str, str]] = set()
        self.messages: list[str] = []
        self.errors: list[str] = []

    def __call__(self, event: auto.EngineEvent) -> None:
        if event.policy_event:
            policy = event.policy_event
            found = (policy.policy_name, (policy.resource_urn or "").rpartition("::")[2])
            (self.violations if policy.enforcement_level == "mandatory" else self.notes).add(found)
            self.messages.append(policy.message)
        elif (said := event.diagnostic_event) and said.severity == "error" and said.urn:
            self.errors.append(said.message)


def judge(folder: Path, cases: list[Case], exemptions: list[dict[str, Any]]) -> Judged:
    """Preview all cases as one program, with the policy pack."""
    PROVIDERS.clear()
    tools = toolchain.find(cache_folder())
    assert tools is not None
    judged = Judged()
    environment = Environment(name="dev", root=ROOT)
    limits = {**yaml.safe_load(STRICT.read_text()), "exemptions": exemptions}
    policies = pack(folder / "pack", limits)
    with automation.offline(environment, tools, folder / "state", policies=policies) as session:
        options = auto.LocalWorkspaceOptions(
            env_vars=session.engine_environment(),
            pulumi_command=auto.PulumiCommand(root=str(tools.pulumi.parent.parent)),
        )
        stack = auto.create_or_select_stack("dev", "cases", lambda: declare(cases), opts=options)
        try:
            stack.preview(on_event=judged, policy_packs=session.policy_packs)
        except auto.CommandError:
            # The engine ends with an error where a policy forbids something.
            if not judged.violations and not judged.errors:
                raise
    assert not judged.errors, judged.errors
    return judged


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    exemptions = [each for case in FAILING for each in case.settings.get("exemptions", [])]
    return judge(tmp_path_factory.mktemp("failing"), FAILING, exemptions)


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return judge(tmp_path_factory.mktemp("passing"), PASSING, [])


@pytest.mark.parametrize("number", range(len(FAILING)), ids=lambda number: FAILING[number].id)
def test_the_engine_fails_a_case(failing: Judged, number: int) -> None:
    case = FAILING[number]
    for text in case.finds:
        name = text.partition(" ")[0]
        # A finding about the stack as a whole names none of its resources.
        about = called(number, name) if name in case.resources else "cases-dev"
        assert (case.rule, about) in failing.violations


@pytest.mark.parametrize("number", range(len(PASSING)), ids=lambda number: PASSING[number].id)
def test_the_engine_passes_a_case(passing: Judged, number: int) -> None:
    case = PASSING[number]
    against = {
        (rule, name)
        for rule, name in passing.violations
        if rule == case.rule and (name == "cases-dev" or re.fullmatch(called(number, r"\w+"), name))
    }
    assert not against, passing.messages
    told = {(rule, name) for rule, name in passing.notes if rule == case.rule}
    assert not {name for _, name in told if re.fullmatch(called(number, r"\w+"), name)}


@pytest.mark.parametrize("name", BY_ENGINE)
def test_every_rule_is_judged_both_ways(name: str) -> None:
    assert any(case.rule == name for case in FAILING)
    assert any(case.rule == name for case in PASSING)
