"""The rules behind the protocol of Pulumi's policy engine.

The policy SDK would take each rule as a policy of its own and unpack every resource anew for each
of them: with fifty rules that is most of the pack's time. Here a resource is unpacked once. What
goes over the wire is the same, so the engine shows, counts and enforces it as any pack's.
"""

# The names of the methods, and what they are given, are the protocol's.
# ruff: noqa: N802, ARG002

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2, json_format  # type: ignore[import-untyped]
from pulumi.runtime.proto import analyzer_pb2 as wire
from pulumi.runtime.proto import analyzer_pb2_grpc, plugin_pb2

from landfall.errors import InvalidInput
from stacks.policy.controls import CONTROLS, NIST
from stacks.policy.rule import Finding, Findings, Level, Resource, Rule, Severity, Stack
from stacks.policy.settings import PolicySettings
from stacks.policy.values import NotYetKnown, plain

NAME = "landfall"
VERSION = "0.1.0"

MESSAGE_LIMIT = 400 * 1024 * 1024
"""Bytes. The engine's own limit for one message (sdk/go/common/util/rpcutil)."""

LEVELS = {Level.ADVISORY: wire.ADVISORY, Level.MANDATORY: wire.MANDATORY}
SEVERITIES = {
    Severity.LOW: wire.POLICY_SEVERITY_LOW,
    Severity.MEDIUM: wire.POLICY_SEVERITY_MEDIUM,
    Severity.HIGH: wire.POLICY_SEVERITY_HIGH,
    Severity.CRITICAL: wire.POLICY_SEVERITY_CRITICAL,
}

SettingsOf = Callable[[str], PolicySettings]


class Analyzer(analyzer_pb2_grpc.AnalyzerServicer):
    """Answers the engine about one resource, and about the stack at the end."""

    def __init__(self, rules: tuple[Rule, ...], settings_of: SettingsOf) -> None:
        self._rules = rules
        self._settings_of = settings_of
        self._levels = {rule.name: LEVELS[rule.level] for rule in rules}

    def GetAnalyzerInfo(self, request: Any, context: Any) -> wire.AnalyzerInfo:
        """What the pack is made of."""
        policies = [described(rule) for rule in self._rules]
        return wire.AnalyzerInfo(name=NAME, version=VERSION, supportsConfig=True, policies=policies)

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        """The pack's version."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def Configure(self, request: wire.ConfigureAnalyzerRequest, context: Any) -> empty_pb2.Empty:
        """Take the levels that `--policy-pack-config` sets."""
        for name, config in request.policyConfig.items():
            self._levels[name] = config.enforcementLevel
        return empty_pb2.Empty()

    def ConfigureStack(self, request: Any, context: Any) -> wire.AnalyzerStackConfigureResponse:
        """Nothing to take: each URN names its stack."""
        return wire.AnalyzerStackConfigureResponse()

    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        """Nothing is under way that would not end by itself."""
        return empty_pb2.Empty()

    def Remediate(self, request: Any, context: Any) -> wire.RemediateResponse:
        """Nothing is changed by itself: a plan is what its author wrote."""
        return wire.RemediateResponse()

    def Analyze(self, request: wire.AnalyzeRequest, context: Any) -> wire.AnalyzeResponse:
        """What the rules over a resource find in it, before it is made."""
        looking = [rule for rule in self._rules if rule.check and rule.looks_at(request.type)]
        if not looking:
            return wire.AnalyzeResponse()
        settings = self._settings(request.urn, context)
        resource = unpacked(request)
        found: list[wire.AnalyzeDiagnostic] = []
        for rule in looking:
            assert rule.check is not None
            found += self._judge(rule, rule.check(resource, settings), settings, resource)
        return wire.AnalyzeResponse(diagnostics=found)

    def AnalyzeStack(self, request: wire.AnalyzeStackRequest, context: Any) -> wire.AnalyzeResponse:
        """What the rules over the stack find in all of it."""
        sent: dict[str, list[Any]] = {}
        for each in request.resources:
            sent.setdefault(each.type, []).append(each)
        settings = self._settings(request.resources[0].urn, context)
        stack = Stack(sent=sent, make=_once())
        found: list[wire.AnalyzeDiagnostic] = []
        for rule in self._rules:
            if rule.check_stack is not None:
                found += self._judge(rule, rule.check_stack(stack, settings), settings)
        return wire.AnalyzeResponse(diagnostics=found)

    def _settings(self, urn: str, context: Any) -> PolicySettings:
        try:
            return self._settings_of(stack_of(urn))
        except InvalidInput as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
            raise

    def _judge(
        self,
        rule: Rule,
        findings: Findings,
        settings: PolicySettings,
        resource: Resource | None = None,
    ) -> Iterator[wire.AnalyzeDiagnostic]:
        """Findings as the engine takes them; what is undecided is advisory, and never silent."""
        if self._levels[rule.name] == wire.DISABLED:
            return
        for found in _all(findings):
            urn = found.urn or (resource.urn if resource else "")
            if settings.exempts(rule.name, label_of(urn), date.today()) is None:
                level = wire.ADVISORY if found.undecided else self._levels[rule.name]
                yield wire.AnalyzeDiagnostic(
                    policyName=rule.name,
                    policyPackName=NAME,
                    policyPackVersion=VERSION,
                    description=rule.description,
                    message=f"{rule.description}\n{line(found)}",
                    enforcementLevel=level,
                    urn=urn,
                    severity=SEVERITIES[rule.severity],
                )


def _all(findings: Findings) -> Iterator[Finding]:
    try:
        yield from findings
    except NotYetKnown as error:
        yield Finding(path=error.path, message="not known before `up`", undecided=True)


def _once() -> Callable[[Any], Resource]:
    """Unpacks each resource the first time that a rule asks for it."""
    made: dict[str, Resource] = {}

    def make(sent: Any) -> Resource:
        if sent.urn not in made:
            made[sent.urn] = unpacked(sent)
        return made[sent.urn]

    return make


def unpacked(sent: Any) -> Resource:
    """What the engine sent about a resource, as plain data."""
    uses = {
        name: list(each.urns) for name, each in getattr(sent, "propertyDependencies", {}).items()
    }
    return Resource(
        type=sent.type,
        name=sent.name,
        urn=sent.urn,
        props=plain(json_format.MessageToDict(sent.properties)),
        provider=plain(json_format.MessageToDict(sent.provider.properties)),
        uses=uses,
    )


def described(rule: Rule) -> wire.PolicyInfo:
    """A rule's metadata. The engine has room for one framework; the tags name all controls."""
    kind = wire.POLICY_TYPE_RESOURCE if rule.check else wire.POLICY_TYPE_STACK
    controls = [each for each in rule.supports if CONTROLS[each][0] == NIST]
    return wire.PolicyInfo(
        name=rule.name,
        description=rule.description,
        enforcementLevel=LEVELS[rule.level],
        policy_type=kind,
        severity=SEVERITIES[rule.severity],
        framework=wire.PolicyComplianceFramework(name=NIST, reference=", ".join(controls)),
        tags=[f"supports {control}" for control in rule.supports],
        remediation_steps=rule.remedy,
        url="docs/policy.md",
    )


def line(found: Finding) -> str:
    """A finding in one line."""
    return f"{found.path}: {found.message}" if found.path else found.message


def stack_of(urn: str) -> str:
    """The stack that a URN is in: `urn:pulumi:STACK::PROJECT::TYPE::NAME`."""
    return urn.split("::", 1)[0].rpartition(":")[2]


def label_of(urn: str) -> str:
    """Type and name of a URN, as an exemption names them; "" of no URN."""
    parts = urn.split("::")
    return f"{parts[2].rpartition('$')[2]}::{'::'.join(parts[3:])}" if len(parts) > 3 else ""  # noqa: PLR2004


def server(analyzer: Analyzer) -> tuple[grpc.Server, int]:
    """A server of the analyzer on a free port of the loopback interface, and that port."""
    options = [
        ("grpc.max_receive_message_length", MESSAGE_LIMIT),
        ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ]
    made = grpc.server(ThreadPoolExecutor(1, thread_name_prefix="policy"), options=options)
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(analyzer, made)
    port = made.add_insecure_port("127.0.0.1:0")
    made.start()
    return made, port
