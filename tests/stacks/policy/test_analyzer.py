"""What the engine is answered: levels, exemptions, undecided values, and the pack's description."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from pulumi.runtime.proto import analyzer_pb2 as wire

from landfall.errors import InvalidInput, Problem
from stacks.policy.analyzer import Analyzer, described, label_of, stack_of
from stacks.policy.rule import Finding, Level, Resource, Rule, Severity, Stack
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN
from tests.stacks.policy.cases import strict

URN = "urn:pulumi:dev::landfall::landfall:index:Network$aws:ec2/vpc:Vpc::core"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "x"}


def over_resource(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    if resource.props.get("cidrBlock"):
        yield Finding(path="cidrBlock", message=f"is {resource.props['cidrBlock']}")


def over_stack(stack: Stack, _: PolicySettings) -> Iterator[Finding]:
    for each in stack.of("aws:ec2/vpc:Vpc"):
        yield Finding(path="", message=f"uses {each.uses}", urn=each.urn)


def rule(**changes: Any) -> Rule:
    given = {"check": over_resource, **changes}
    return Rule(
        name=given.pop("name", "a-rule"),
        description="Nothing.",
        severity=Severity.HIGH,
        supports=("AC-4", "GDPR 32"),
        remedy="Do.",
        **given,
    )


def analyzer(*rules: Rule, **settings: Any) -> Analyzer:
    return Analyzer(rules, lambda stack: strict(settings))


def asked(**props: Any) -> wire.AnalyzeRequest:
    request = wire.AnalyzeRequest(type="aws:ec2/vpc:Vpc", urn=URN, name="core")
    request.properties.update(props)
    return request


def found(answered: wire.AnalyzeResponse) -> list[tuple[str, str]]:
    levels = {wire.MANDATORY: "mandatory", wire.ADVISORY: "advisory"}
    return [
        (levels[each.enforcementLevel], each.message.partition("\n")[2])
        for each in answered.diagnostics
    ]


def test_a_finding_is_of_the_rules_level_and_names_the_resource() -> None:
    for level in Level:
        answered = analyzer(rule(level=level)).Analyze(asked(cidrBlock="10.0.0.0/8"), None)
        assert found(answered) == [(level.value, "cidrBlock: is 10.0.0.0/8")]
        assert answered.diagnostics[0].urn == URN
        assert answered.diagnostics[0].severity == wire.POLICY_SEVERITY_HIGH


def test_a_value_that_is_not_known_yet_is_told_and_does_not_fail() -> None:
    answered = analyzer(rule()).Analyze(asked(cidrBlock=UNKNOWN_TEXT), None)
    assert [level for level, _ in found(answered)] == ["advisory"]


def test_a_secret_is_looked_into() -> None:
    answered = analyzer(rule()).Analyze(asked(cidrBlock=SECRET), None)
    assert found(answered) == [("mandatory", "cidrBlock: is x")]


def test_a_rule_is_asked_about_its_types_only() -> None:
    other = rule(types=frozenset({"aws:s3/bucket:Bucket"}))
    assert found(analyzer(other).Analyze(asked(cidrBlock="x"), None)) == []


@pytest.mark.parametrize(("days", "excused"), [(0, True), (30, True), (-1, False)])
def test_an_exemption_excuses_one_resource_from_one_rule_until_its_day(
    days: int, excused: bool
) -> None:
    exemption = {
        "rule": "a-rule",
        "resource": "aws:ec2/vpc:Vpc::core",
        "reason": "the network of another team",
        "expires": date.today() + timedelta(days=days),
    }
    asking = analyzer(rule(), rule(name="another-rule"), exemptions=[exemption])
    answered = asking.Analyze(asked(cidrBlock="x"), None)
    names = [each.policyName for each in answered.diagnostics]
    assert names == (["another-rule"] if excused else ["a-rule", "another-rule"])


def test_a_level_can_be_set_from_outside() -> None:
    asking = analyzer(rule())
    request = wire.ConfigureAnalyzerRequest()
    request.policyConfig["a-rule"].enforcementLevel = wire.DISABLED
    asking.Configure(request, None)
    assert found(asking.Analyze(asked(cidrBlock="x"), None)) == []


def test_a_rule_over_the_stack_sees_where_values_come_from() -> None:
    asking = analyzer(rule(check=None, check_stack=over_stack))
    request = wire.AnalyzeStackRequest()
    one = request.resources.add(type="aws:ec2/vpc:Vpc", urn=URN, name="core")
    one.propertyDependencies["cidrBlock"].urns.append("urn:pulumi:dev::landfall::a:b:C::pool")
    answered = asking.AnalyzeStack(request, None)
    said = "uses {'cidrBlock': ['urn:pulumi:dev::landfall::a:b:C::pool']}"
    assert found(answered) == [("mandatory", said)]


class Context:
    """Keeps the reason of a call that is ended."""

    reason = ""

    def abort(self, code: grpc.StatusCode, reason: str) -> None:
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        self.reason = reason
        raise ConnectionAbortedError


def test_limits_that_are_wrong_end_the_call_with_what_is_wrong() -> None:
    def broken(stack: str) -> PolicySettings:
        raise InvalidInput(f"{stack}.yaml", [Problem(path="regions", message="required")])

    context = Context()
    with pytest.raises(ConnectionAbortedError):
        Analyzer((rule(),), broken).Analyze(asked(), context)
    assert context.reason == "dev.yaml: 1 problem\n  regions: required"


def test_a_rule_is_described_with_its_controls() -> None:
    about = described(rule())
    assert about.framework.reference == "AC-4"
    assert list(about.tags) == ["supports AC-4", "supports GDPR 32"]
    assert about.policy_type == wire.POLICY_TYPE_RESOURCE


def test_a_urn_tells_stack_and_label() -> None:
    assert stack_of(URN) == "dev"
    assert label_of(URN) == "aws:ec2/vpc:Vpc::core"
    assert label_of("") == ""


def test_an_unknown_value_cannot_be_used_by_accident() -> None:
    from stacks.policy.values import NotYetKnown

    for use in (bool, list, len, lambda value: value["a"], lambda value: value.startswith("a")):
        with pytest.raises(NotYetKnown):
            use(UNKNOWN)
