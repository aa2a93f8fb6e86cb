"""What the pack allows in an environment: one reviewed file for each, checked as a whole."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from landfall.errors import InvalidInput, Problem
from landfall.model.parsing import Written, parse, read_yaml

FOLDER = Path(__file__).parent / "environments"

Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
Name = Annotated[str, Field(min_length=1)]


class Exemption(Written):
    """One resource that a rule does not apply to, until a day, for a reason.

    Attributes:
        rule: the rule's name.
        resource: the type token and name, e.g. `aws:ec2/eip:Eip::edge`.
        reason: why, in a sentence that an auditor can read.
        expires: the last day on which it holds.
    """

    rule: Name
    resource: Annotated[str, Field(pattern=r"^[\w:/.-]+::.+$")]
    reason: Annotated[str, Field(min_length=20)]
    expires: date


class PolicySettings(Written):
    """The limits of one environment.

    Attributes:
        regions: where anything may be; the first is not special.
        required_tags: each key with the pattern that its whole value must match.
        instance_types: the GPU instance types, with how many of each may run at once.
        max_vcpus: how many vCPUs the queues of AWS Batch may use together.
        monthly_cost_cap_usd: the most that the stack may cost a month by list price.
        training_hours: the hours of a month in which training is taken to run, for that cost.
        log_retention_days: the least that logs are kept.
        evidence_days: the least that evidence is locked against change and deletion.
        backup_retention_days: the least that backups of databases and file systems are kept.
        kms_deletion_window_days: the least days between asking for a key's end and its end.
        deletion_protection: whether stateful services must refuse to be deleted.
        permissions_boundary: whether every role must have a permission boundary.
        role_path: the path that every role must be under.
        stateful_replacement: whether stateful resources may be replaced or deleted unnamed.
        exemptions: see `Exemption`.
    """

    regions: Annotated[tuple[Region, ...], Field(min_length=1)]
    required_tags: dict[Name, str]
    instance_types: dict[Name, Annotated[int, Field(ge=1)]]
    max_vcpus: Annotated[int, Field(ge=0)]
    monthly_cost_cap_usd: Annotated[float, Field(gt=0)]
    training_hours: Annotated[float, Field(ge=0, le=744)]
    log_retention_days: Annotated[int, Field(ge=1)]
    evidence_days: Annotated[int, Field(ge=1)]
    backup_retention_days: Annotated[int, Field(ge=1, le=35)]
    kms_deletion_window_days: Annotated[int, Field(ge=7, le=30)]
    deletion_protection: bool
    permissions_boundary: bool
    role_path: Annotated[str, Field(pattern=r"^/([\w/-]+/)?$")]
    stateful_replacement: bool
    exemptions: tuple[Exemption, ...] = ()

    @field_validator("required_tags")
    @classmethod
    def _patterns(cls, tags: dict[str, str]) -> dict[str, str]:
        for key, pattern in tags.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{key}: {pattern!r} is not a pattern: {error}") from error
        return tags

    def exempts(self, rule: str, label: str, today: date) -> Exemption | None:
        """The exemption of a resource from a rule that still holds, if there is one."""
        for each in self.exemptions:
            if (each.rule, each.resource) == (rule, label) and each.expires >= today:
                return each
        return None


def load(
    environment: str, folder: Path = FOLDER, rules: frozenset[str] = frozenset()
) -> PolicySettings:
    """The limits of an environment.

    Args:
        environment: the stack's name.
        folder: where the files are.
        rules: the names of all rules; an exemption from another one is a problem.

    Raises:
        InvalidInput: there is no such file, or something in it is wrong.
    """
    path = folder / f"{environment}.yaml"
    found = parse(PolicySettings, read_yaml(path), source=str(path))
    unknown = [
        Problem(path=f"exemptions.{index}.rule", message=_no_such_rule(each.rule, rules))
        for index, each in enumerate(found.exemptions)
        if rules and each.rule not in rules
    ]
    if unknown:
        raise InvalidInput(str(path), unknown)
    return found


def _no_such_rule(name: str, rules: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, rules, n=1)
    return f"no rule is named {name}{f'; did you mean {close[0]}?' if close else ''}"
