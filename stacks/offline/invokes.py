"""The functions of the provider (`aws.get_region` and fifteen others), answered from the table.

Nothing is looked up: an AMI's id is made from the filters that asked for it, and two availability
zones of a region are its name and a letter. Values that the table does not let one make are
placeholders, as in `templates`. A function that the table does not have is an error: a made-up
answer would be worse.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from landfall.errors import Problem
from stacks.offline import policy_document, semantics
from stacks.offline.check import meant
from stacks.offline.prepare import Surroundings
from stacks.offline.schema import Kind, Shape
from stacks.offline.templates import Source, empty, evaluate
from stacks.offline.wire import Properties, Secret, reveal

ZONES = "abc"
"""Letters of the zones that every region is given: AWS promises at least three."""

SECRET_RESULTS: Mapping[str, frozenset[str]] = {
    "aws:ssm/getParameter:getParameter": frozenset({"value"}),
    "aws:secretsmanager/getSecretVersion:getSecretVersion": frozenset(
        {"secretBinary", "secretString"}
    ),
}
"""Results that the table's rules and formats call secret."""

Answer = tuple[Properties, list[Problem]]


def invoke(token: str, inputs: Properties, around: Surroundings) -> Answer:
    """The result of a function, or what is wrong with the call."""
    entry = semantics.table()["invokes"].get(token)
    if entry is None:
        known = semantics.table()["invokes"]
        message = f"the offline provider cannot answer {token}{meant(token, known)}"
        return {}, [Problem(path="", message=message)]
    plain = {name: value for name, value in reveal(inputs).items() if value is not None}
    wrong = [
        Problem(path=name, message=f"no such argument{meant(name, entry['inputs'])}")
        for name in plain
        if name not in entry["inputs"]
    ]
    wrong += _missing(entry, plain)
    if wrong:
        return {}, wrong
    special = SPECIAL.get(token)
    result, wrong = special(plain, around) if special else ({}, [])
    if wrong or token == POLICY_DOCUMENT:
        return result, wrong
    return _finish(token, entry, plain, around, result), []


def _missing(entry: Mapping[str, Any], inputs: Properties) -> list[Problem]:
    notes: Mapping[str, str] = entry["input_notes"]
    return [
        Problem(path=name, message="missing")
        for name, note in notes.items()
        if re.search(r"^required\b|, required$", note) and name not in inputs
    ]


def _finish(
    token: str,
    entry: Mapping[str, Any],
    inputs: Properties,
    around: Surroundings,
    result: Properties,
) -> Properties:
    """Fill in every result property that is not there yet from the table's formats."""
    made = dict(result)
    region = str(inputs.get("region") or around.region)
    text = json.dumps([token, inputs, around.account], sort_keys=True)
    seed = hashlib.sha256(text.encode()).hexdigest()
    open_names: set[str] = set()

    def value(name: str) -> Any:
        if name in made or name not in entry["result"] or name in open_names:
            return made.get(name, inputs.get(name))
        open_names.add(name)
        what = f"{token.rpartition(':')[2]}.{name}"
        source = Source(seed=seed, names=value, account=around.account, region=region, what=what)
        made[name] = _result(entry["result"][name], inputs, name, source)
        return made[name]

    for name in entry["result"]:
        value(name)
    secret = SECRET_RESULTS.get(token, frozenset())
    return {
        name: Secret(found) if name in secret else found
        for name, found in made.items()
        if found is not None
    }


def _result(spec: Mapping[str, Any], inputs: Properties, name: str, source: Source) -> Any:
    text: str = spec["format"]
    shape = _shape(spec["type"])
    given = re.match(r"\{input:(\w+)\}(?: or the provider region|, default (\S+)| |$)", text)
    if text.startswith("{input:region} or"):
        return source.region
    if given and "|" not in text:
        found = inputs.get(given[1])
        if found is None and given[2]:
            return evaluate(given[2], shape, source)
        return empty(shape) if found is None and "empty map" in text else found
    if inputs.get(name) not in (None, "") and name != "filters":
        return inputs[name]
    return evaluate(_plain(text), shape, source)


def _plain(text: str) -> str:
    """The first of the forms that a format offers."""
    return (
        re.split(r" for a user| \(| for HVM", text)[0]
        if text.startswith(("arn:", "AIDA"))
        else text
    )


_KINDS: Mapping[str, Kind] = {
    "string": "string", "int": "integer", "number": "number", "bool": "boolean",
}  # fmt: skip


def _shape(kind: Any) -> Shape:
    if isinstance(kind, list):
        return Shape(kind="list", element=Shape(kind="object"))
    if isinstance(kind, dict):
        return Shape(kind="object")
    if kind.startswith("list of "):
        return Shape(kind="list", element=_shape(kind.removeprefix("list of ")))
    return Shape(kind="map") if kind.startswith("map") else Shape(kind=_KINDS.get(kind, "any"))


def _zones(inputs: Properties, around: Surroundings) -> Answer:
    """Three zones per region. Which id a letter has differs between accounts; here a is 1."""
    region = str(inputs.get("region") or around.region)
    short = "".join(part[:1] for part in region.split("-")[1:-1])
    prefix = f"{region.split('-', maxsplit=1)[0]}{short}{region.rsplit('-', maxsplit=1)[-1]}"
    zones = [
        {"zone-name": f"{region}{letter}", "zone-id": f"{prefix}-az{number}"}
        for number, letter in enumerate(ZONES, start=1)
    ]
    fixed = {
        "region-name": region, "group-name": region, "state": "available",
        "opt-in-status": "opt-in-not-required", "zone-type": "availability-zone",
    }  # fmt: skip
    kept = [
        zone
        for zone in zones
        if all(
            {**zone, **fixed}.get(each["name"]) in each["values"]
            for each in inputs.get("filters") or ()
        )
        and inputs.get("state") in {None, "available"}
        and zone["zone-name"] not in (inputs.get("excludeNames") or ())
        and zone["zone-id"] not in (inputs.get("excludeZoneIds") or ())
    ]
    return {
        "names": [zone["zone-name"] for zone in kept],
        "zoneIds": [zone["zone-id"] for zone in kept],
        "groupNames": [region] if kept else [],
    }, []


def _region(inputs: Properties, around: Surroundings) -> Answer:
    endpoint = re.match(r"ec2\.([\w-]+)\.", str(inputs.get("endpoint") or ""))
    named = inputs.get("region") or inputs.get("name")
    if endpoint and named and endpoint[1] != named:
        problem = Problem(path="endpoint", message=f"belongs to {endpoint[1]}, not to {named}")
        return {}, [problem]
    region = named or (endpoint[1] if endpoint else around.region)
    return {"region": region, "name": region, "id": region}, []


def _caller(_inputs: Properties, around: Surroundings) -> Answer:
    return {"accountId": around.account}, []


def _partition(inputs: Properties, around: Surroundings) -> Answer:
    source = Source(seed="", names=inputs.get, account=around.account, region=around.region)
    reverse = "cn.com.amazonaws" if source.partition == "aws-cn" else "com.amazonaws"
    return {
        "partition": source.partition,
        "id": source.partition,
        "dnsSuffix": source.dns_suffix,
        "reverseDnsPrefix": reverse,
    }, []


def _ami(inputs: Properties, _around: Surroundings) -> Answer:
    pinned = {"image-id", "owner-id"} & {each["name"] for each in inputs.get("filters") or ()}
    loose = inputs.get("mostRecent") and not inputs.get("owners") and not pinned
    if loose and not inputs.get("allowUnsafeFilter"):
        message = "missing; the newest image of any owner may be anybody's"
        return {}, [Problem(path="owners", message=message)]
    return {}, []


def _instance_type(inputs: Properties, _around: Surroundings) -> Answer:
    arm = bool(re.match(r"a1\.|[a-z]+\d+g", inputs["instanceType"]))
    return {"supportedArchitectures": ["arm64" if arm else "x86_64"]}, []


def _subnets(_inputs: Properties, _around: Surroundings) -> Answer:
    return {"ids": []}, []


def _document(inputs: Properties, _around: Surroundings) -> Answer:
    return policy_document.document(inputs)


def _secret_version(inputs: Properties, _around: Surroundings) -> Answer:
    chosen = inputs.get("versionId") or inputs.get("versionStage") or "AWSCURRENT"
    return {"id": f"{inputs['secretId']}|{chosen}"}, []


POLICY_DOCUMENT = "aws:iam/getPolicyDocument:getPolicyDocument"

SPECIAL: Mapping[str, Callable[[Properties, Surroundings], Answer]] = {
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getCallerIdentity:getCallerIdentity": _caller,
    "aws:index/getPartition:getPartition": _partition,
    "aws:ec2/getAmi:getAmi": _ami,
    "aws:ec2/getInstanceType:getInstanceType": _instance_type,
    "aws:ec2/getSubnets:getSubnets": _subnets,
    "aws:secretsmanager/getSecretVersion:getSecretVersion": _secret_version,
    POLICY_DOCUMENT: _document,
}
"""Functions of which more is known than the table's formats."""
