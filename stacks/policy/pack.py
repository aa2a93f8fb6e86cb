"""The rules as policies of Pulumi's own policy engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pulumi_policy as pp
from pulumi_policy.proxy import UnknownValueError

from stacks.policy import settings as limits
from stacks.policy.controls import CONTROLS, NIST
from stacks.policy.rule import Finding, Findings, Resource, Rule, Stack
from stacks.policy.rules import rules
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN, NotYetKnown, plain

NAME = "landfall"

SettingsOf = Callable[[str], PolicySettings]


def serve(folder: Path = limits.FOLDER) -> None:
    """Answer the engine until it ends this process, with the limits in `folder`."""
    known = frozenset(rule.name for rule in rules())

    @cache
    def settings_of(environment: str) -> PolicySettings:
        return limits.load(environment, folder, known)

    pp.PolicyPack(
        name=NAME,
        enforcement_level=pp.EnforcementLevel.MANDATORY,
        policies=[policy(rule, settings_of) for rule in rules() if rule.check_changes is None],
    )


def policy(rule: Rule, settings_of: SettingsOf, *, today: date | None = None) -> pp.Policy:
    """A rule as the engine's kind of policy."""
    described: dict[str, Any] = {
        "name": rule.name,
        "description": rule.description,
        "enforcement_level": pp.EnforcementLevel(rule.level.value),
        "severity": pp.Severity(rule.severity.value),
        "remediation_steps": rule.remedy,
        "tags": [f"supports {control}" for control in rule.supports],
        "framework": _framework(rule),
        "url": f"docs/policy.md#{rule.name}",
    }
    if rule.check is not None:
        return pp.ResourceValidationPolicy(
            validate=_on_resource(rule, settings_of, today), **described
        )
    return pp.StackValidationPolicy(validate=_on_stack(rule, settings_of, today), **described)


def _framework(rule: Rule) -> pp.PolicyComplianceFramework:
    # The engine has room for one framework; the tags name all controls.
    controls = [each for each in rule.supports if CONTROLS[each][0] == NIST]
    return pp.PolicyComplianceFramework(name=NIST, reference=", ".join(controls))


def _on_resource(
    rule: Rule, settings_of: SettingsOf, today: date | None
) -> Callable[[pp.ResourceValidationArgs, pp.ReportViolation], None]:
    check = rule.check
    assert check is not None

    def validate(args: pp.ResourceValidationArgs, report: pp.ReportViolation) -> None:
        if not rule.looks_at(args.resource_type):
            return
        settings = settings_of(stack_of(args.urn))
        resource = _resource(args)
        if settings.exempts(rule.name, resource.label, today or date.today()) is None:
            _tell(lambda: check(resource, settings), lambda found: report(text(found), None))

    return validate


def _on_stack(
    rule: Rule, settings_of: SettingsOf, today: date | None
) -> Callable[[pp.StackValidationArgs, pp.ReportViolation], None]:
    check = rule.check_stack
    assert check is not None

    def validate(args: pp.StackValidationArgs, report: pp.ReportViolation) -> None:
        settings = settings_of(stack_of(args.resources[0].urn))
        sent: dict[str, list[Any]] = {}
        labels: dict[str, str] = {}
        for each in args.resources:
            sent.setdefault(each.resource_type, []).append(each)
            labels[each.urn] = f"{each.resource_type}::{each.name}"
        day = today or date.today()

        def tell(found: Finding) -> None:
            exempt = settings.exempts(rule.name, labels.get(found.urn, ""), day)
            if exempt is None:
                report(text(found), found.urn or None)

        _tell(lambda: check(Stack(sent=sent, make=cache(_resource)), settings), tell)

    return validate


def _tell(find: Callable[[], Findings], tell: Callable[[Finding], None]) -> None:
    """Report what is wrong; raise the engine's own kind of note for what is undecided."""
    open_paths: list[str] = []
    try:
        for found in find():
            if found.undecided:
                open_paths.append(_place(found))
            else:
                tell(found)
    except NotYetKnown as error:
        open_paths.append(error.path)
    if open_paths:
        raise UnknownValueError(STRING_MARK, [", ".join(dict.fromkeys(open_paths))])


STRING_MARK = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def _place(found: Finding) -> str:
    name = found.urn.rpartition("::")[2]
    return f"{name}.{found.path}" if name else found.path


def text(found: Finding) -> str:
    """A finding in one line."""
    return f"{found.path}: {found.message}" if found.path else found.message


def stack_of(urn: str) -> str:
    """The stack that a URN is in: `urn:pulumi:STACK::PROJECT::TYPE::NAME`."""
    return urn.split("::", 1)[0].rpartition(":")[2]


def _resource(args: Any) -> Resource:
    """What the engine sent, as plain data."""
    uses = {
        name: [each.urn for each in found]
        for name, found in getattr(args, "property_dependencies", {}).items()
    }
    provider = getattr(args, "provider", None)
    return Resource(
        type=args.resource_type,
        name=args.name,
        urn=args.urn,
        props=opened(args.props),
        provider=opened(provider.props) if provider is not None else {},
        uses=uses,
    )


def opened(value: Any) -> Any:
    """Plain data out of the policy SDK's wrappers, which raise where a value is not known."""
    if isinstance(value, Mapping):
        return {name: _opened(value, name) for name in value}
    if not isinstance(value, str) and hasattr(value, "__len__") and hasattr(value, "__getitem__"):
        return [_opened(value, index) for index in range(len(value))]
    return plain(value)


def _opened(holder: Any, key: Any) -> Any:
    try:
        return opened(holder[key])
    except UnknownValueError:
        return UNKNOWN
