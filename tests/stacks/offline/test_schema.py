"""The SDK's signatures and the table name the same things."""

from __future__ import annotations

import pytest

from stacks.offline import schema, semantics
from stacks.offline.equality import SETS, sets
from stacks.offline.schema import Field, Shape

pytestmark = pytest.mark.slow

TYPES = sorted(semantics.table()["types"])


def shape_at(fields: dict[str, Field], pattern: str) -> Shape | None:
    """The shape at a pattern such as `ingress[].fromPort`, or None where the SDK has no such."""
    found: Shape | None = None
    for part in pattern.split("."):
        name = part.removesuffix("[]")
        if name not in fields:
            return None
        found = fields[name].shape
        if part.endswith("[]") and found.kind == "list" and found.element is not None:
            found = found.element
        fields = dict(found.fields)
    return found


@pytest.mark.parametrize("kind", TYPES)
def test_the_sdk_has_what_the_table_names(kind: str) -> None:
    found, rules = schema.resource(kind), semantics.rules(kind)
    assert not rules.replace - found.inputs.keys()
    assert not rules.computed.keys() - found.outputs.keys() - {"id"}
    patterns = rules.nested_replace | rules.block_replace | rules.optional_computed | sets(kind)
    assert [each for each in patterns if not shape_at(dict(found.inputs), each)] == []


@pytest.mark.parametrize("kind", TYPES)
def test_defaults_are_of_the_type_that_the_sdk_wants(kind: str) -> None:
    from stacks.offline.check import problems

    found, rules = schema.resource(kind), semantics.rules(kind)
    defaults = {name: rules.default(name) for name in rules.defaults if rules.default(name)}
    assert [
        each for each in problems(defaults, found.inputs) if "missing" not in each.message
    ] == []


def test_sets_are_lists_of_the_sdk() -> None:
    import tomllib

    for kind, patterns in tomllib.loads(SETS.read_text()).items():
        fields = dict(schema.resource(kind).inputs)
        for pattern in patterns:
            found = shape_at(fields, pattern)
            assert found is not None, (kind, pattern)
            assert found.kind == "list", (kind, pattern)


def test_required_and_optional_properties() -> None:
    inputs = schema.resource("aws:ec2/customerGateway:CustomerGateway").inputs
    assert inputs["type"].required
    assert not inputs["ipAddress"].required


def test_an_unknown_type_is_an_error() -> None:
    with pytest.raises(schema.UnknownType):
        schema.resource("aws:ec2/vpc:Vcp")
