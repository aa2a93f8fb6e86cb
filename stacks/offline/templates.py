"""Values in AWS's form, made from the table's text about what AWS computes.

The table says for each output how it looks: `vpc-{hex17}`, `= defaultRouteTableId`,
`arn:{partition}:ec2:{region}:{account}:vpc/{id}`, `empty unless Cloud WAN`, `int, 1 on create`.
`evaluate` reads that language. The digits of an id come from a seed, so a value is the same in
every run. What a text does not let one make becomes a placeholder of the right type; for text it
is `offline:<type>.<property>`, so that nobody takes it for a real one.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from stacks.offline.schema import Shape

TIMESTAMP = "2000-01-01T00:00:00Z"
"""Stands for every time: outputs must be the same in every run."""

ALPHABETS = {
    "hex": "0123456789abcdef",
    "UPPERHEX": "0123456789ABCDEF",
    "alnum": "0123456789abcdefghijklmnopqrstuvwxyz",
    "upperalnum": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "UPPERALNUM": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "digits": "123456789",
}

STRANGER = "offline"
"""Stands for a part of a text that only AWS knows."""

READINGS = {
    "8 lowercase alnum chars (literal fsx for SCRATCH_1)": "{alnum8}",
    "ComputeEnvironment Healthy": "ComputeEnvironment{space}Healthy",
    "arn of the secret": "{secret}",
    "string, = defaultVersion": "= defaultVersion",
    "{account} of the topic": "{account}",
    "{hex64} of the content": "{hex64}",
    "{uuid}-{n} part of the arn": "{uuid}-{n}",
    "rslvr-in-{hex17} for INBOUND, rslvr-out-{hex17} for OUTBOUND": "rslvr-{direction}-{hex17}",
    "rtb-{hex17}: the main route table before creation; destroy restores it": "rtb-{hex17}",
    "{prop:policyName} (account scope) or {prop:resourceArn} (resource scope)": "{policy}",
    "arn:{partition}:events:{region}:{account}:rule/{prop:name} "
    "(default bus; otherwise rule/{bus name}/{prop:name})": (
        "arn:{partition}:events:{region}:{account}:rule/{bus}{prop:name}"
    ),
}
"""Texts of the table that are prose, and what they say."""

TEST_NET = "192.0.2."
"""RFC 5737: for addresses that stand for public ones."""

MISSING: Final = object()

Names = Callable[[str], Any]
"""Finds the value of an input or an output by name; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the parts of a text are filled from."""

    seed: str
    names: Names
    account: str
    region: str
    what: str = ""
    """The property, as `Type.property`, for its placeholder."""

    @property
    def partition(self) -> str:
        """The AWS partition of the region."""
        return partition(self.region)

    @property
    def dns_suffix(self) -> str:
        """The end of the partition's host names."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    def text(self, name: str) -> str | None:
        """A property as text, or None where it has no value."""
        found = self.names(name)
        return None if found in (None, "") or isinstance(found, dict | list) else str(found)

    def draw(self, alphabet: str, length: int, label: str) -> str:
        """Characters that depend on the seed and the label alone."""
        letters = ALPHABETS[alphabet]
        digest = hashlib.sha512(f"{self.seed}|{label}".encode()).digest()
        return "".join(letters[byte % len(letters)] for byte in digest[:length])


def partition(region: str) -> str:
    """The AWS partition that a region belongs to."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def evaluate(text: str, shape: Shape, source: Source) -> Any:
    """The value that a text of the table describes, or a placeholder."""
    head = re.split(r"; (?![^(]*\))", READINGS.get(text, text))[0]
    found = _value(head.strip(), shape, source)
    fitted = MISSING if found is MISSING else _fit(found, shape)
    return placeholder(shape, source.what) if fitted is MISSING else fitted


def placeholder(shape: Shape, what: str) -> Any:
    """A value of the right type that nobody takes for a real one."""
    return f"offline:{what}" if shape.kind == "string" else empty(shape)


def empty(shape: Shape) -> Any:
    """What AWS answers for something that is not used; None for an object."""
    values = {"string": "", "integer": 0, "number": 0, "boolean": False}
    if shape.kind in {"list", "map"}:
        return [] if shape.kind == "list" else {}
    return values.get(shape.kind)


def _fit(value: Any, shape: Shape) -> Any:
    """The value as the type of the property wants it; MISSING where it cannot be."""
    if shape.kind in {"integer", "number"} and isinstance(value, str):
        return int(value) if value.isdigit() else MISSING
    if shape.kind == "boolean" and isinstance(value, str):
        return value == "true" if value in {"true", "false"} else MISSING
    if shape.kind in {"list", "map", "object"}:
        wanted = list if shape.kind == "list" else dict
        return value if isinstance(value, wanted) else MISSING
    return str(value) if shape.kind == "string" and isinstance(value, int) else value


def _value(text: str, shape: Shape, source: Source) -> Any:
    if text.startswith("= ") and text[2:].isidentifier():
        found = source.names(text[2:])
        return MISSING if found is None else found
    if text.startswith("list"):
        return _list(text, shape, source)
    structure, rest = _bracketed(text)
    if structure and rest[:1] in {"", " "}:
        return _structure(structure, shape, source) if _applies(rest, source) else empty(shape)
    return _scalar(text, shape, source)


def _bracketed(text: str) -> tuple[str, str]:
    """The list or the object that a text begins with, and what follows it."""
    if not text.startswith("[") and not re.match(r"\{\w+: ", text):
        return "", text
    depth = 0
    for index, letter in enumerate(text):
        depth += (letter in "{[") - (letter in "}]")
        if depth == 0:
            return text[: index + 1], text[index + 1 :]
    return "", text


def _scalar(text: str, shape: Shape, source: Source) -> Any:
    text = _choice(re.split(r" \| | while ", text)[0], source)
    head, note = _note(text)
    if _is_empty(head, note, source):
        return empty(shape)
    number = re.match(r"(?:int|string|number)(?:, (\d+))?\b", head)
    if number:
        return number[1] or MISSING
    if head.startswith("yyyy") or head == "timestamp string":
        return TIMESTAMP
    if head == "bool":
        return False
    if re.search(r"\s|\.\.\.|\.x\.y", re.sub(r"\{[^{}]*\}", "", head)):
        return MISSING  # prose
    return _fill(head, source)


def _choice(text: str, source: Source) -> str:
    """Which of two texts holds for an event bus; all other texts pass."""
    parts = re.fullmatch(r"(.+) on the default bus, else (.+)", text)
    if parts is None:
        return text
    return parts[1] if source.text("eventBusName") in {None, "default"} else parts[2]


def _note(text: str) -> tuple[str, str]:
    head, bracket, note = text.partition(" (")
    return (head, note.removesuffix(")")) if bracket and text.endswith(")") else (text, "")


def _is_empty(head: str, note: str, source: Source) -> bool:
    """Whether the text says that AWS leaves the value empty here."""
    if note.startswith("empty unless") and "IPv6" in note:
        return not (source.names("assignGeneratedIpv6CidrBlock") or source.names("ipv6CidrBlock"))
    if note.startswith("empty unless"):
        return True
    unless = re.match(r"empty unless (\w+)(?: set)?$", head)
    if unless and source.names(unless[1]):
        return False
    if head.startswith("empty") or re.search(r"\bor empty\b|\belse empty\b|, empty until", head):
        return True
    return not _applies(note, source) or not _applies(head, source)


def _applies(note: str, source: Source) -> bool:
    """Whether a condition such as `only with transitGatewayId` holds. Other notes do."""
    found = re.search(r"only with (\w+)", note)
    if found:
        return bool(source.names(found[1]))
    found = re.search(r"only when (\w+) is (\w+)", note)
    if found:
        return source.text(found[1]) == found[2]
    found = re.fullmatch(r"(.+) types? only", note)
    return not found or source.text("vpcEndpointType") in found[1].split(" / ")


def _list(text: str, shape: Shape, source: Source) -> Any:
    """A list of one element per subnet, or of one; empty where the text names no element."""
    head, note = _note(text)
    element = head.removeprefix("list of ")
    made = "{" in element and (": " in element or not element.startswith("{"))
    if shape.element is None or not made or not _applies(note, source):
        return []
    subnets = source.names("subnetIds")
    count = len(subnets) if isinstance(subnets, list) and subnets else 1
    return [
        evaluate(element, shape.element, replace(source, seed=f"{source.seed}|{index}"))
        for index in range(count)
    ]


def _structure(text: str, shape: Shape, source: Source) -> Any:
    """A list or an object that is written out: `[{name: eks-{uuid}}]`."""
    if text.startswith("["):
        if shape.element is None or re.match(r"\[\{\w+(, |\})", text):
            return []
        return [evaluate(each, shape.element, source) for each in _split(text[1:-1])]
    pairs = (each.partition(": ") for each in _split(text[1:-1]))
    fields = shape.fields
    return {
        name: evaluate(value, fields[name].shape, source)
        for name, _, value in pairs
        if name in fields
    }


def _split(text: str) -> list[str]:
    """The parts between commas that are not inside brackets."""
    parts, depth, start = [], 0, 0
    for index, letter in enumerate(text):
        depth += (letter in "{[") - (letter in "}]")
        if letter == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]


def _fill(text: str, source: Source) -> str:
    """Replace every part in braces, and drop optional parts whose properties are not set."""
    text = re.sub(r"\[([^\[\]]*)\]", lambda found: _optional(found[1], source), text)

    def part(found: re.Match[str]) -> str:
        label = re.split(r"[:/.]", text[: found.start()])[-1]
        return _part(found[1], label, source)

    return re.sub(r"\{([^{}]*)\}", part, text)


def _optional(text: str, source: Source) -> str:
    if text == "internal-":
        return text if source.names("internal") else ""
    named = re.findall(r"\{prop:(\w+)\}", text)
    return text if all(source.text(name) for name in named) else ""


def _part(part: str, label: str, source: Source) -> str:
    drawn = re.match(r"(hex|UPPERHEX|alnum|upperalnum|UPPERALNUM)(\d+)", part)
    if drawn:
        return source.draw(drawn[1], int(drawn[2]), f"{label}|{part}")
    fixed = {
        "region": source.region,
        "account": source.account,
        "partition": source.partition,
        "dns_suffix": source.dns_suffix,
        "az": f"{source.region}a",
        "rfc3339": TIMESTAMP,
        "n": "1",
    }
    if part in fixed:
        return fixed[part]
    if part == "uuid":
        return _uuid(source.draw("hex", 32, label))
    if part == "ipv4":
        return f"{TEST_NET}{int(source.draw('hex', 4, label), 16) % 254 + 1}"
    reading = _READINGS_OF_PARTS.get(part)
    return _property(part, source) if reading is None else reading(source)


def _secret_arn(source: Source) -> str:
    named = source.text("secretArn") or source.text("secretId") or STRANGER
    if named.startswith("arn:"):
        return named
    return f"arn:{source.partition}:secretsmanager:{source.region}:{source.account}:secret:{named}"


def _bus(source: Source) -> str:
    bus = source.text("eventBusName")
    return "" if bus in {None, "default"} else f"{bus}/"


_READINGS_OF_PARTS: Mapping[str, Callable[[Source], str]] = {
    "space": lambda _source: " ",
    "bus": _bus,
    "direction": lambda source: "in" if source.text("direction") == "INBOUND" else "out",
    "policy": lambda source: source.text("policyName") or source.text("resourceArn") or STRANGER,
    "secret": _secret_arn,
}


def _property(part: str, source: Source) -> str:
    """The value of a property that a text names; `STRANGER` where only AWS would know it."""
    checksum = re.fullmatch(r"crc32dec:(\w+)(?: \+ '(.*)')?", part)
    if checksum:
        return str(zlib.crc32(f"{_named(checksum[1], source)}{checksum[2] or ''}".encode()))
    if part == "app|net|gwy":
        kinds = {"network": "net", "gateway": "gwy"}
        return kinds.get(source.text("loadBalancerType") or "", "app")
    if part.startswith("lower:"):
        return _named(part.removeprefix("lower:"), source).lower()
    name, _, extra = re.sub(r"^(prop|input):", "", part).partition(" ")
    found = _named(name, source)
    if "leading slash" in extra:
        return found.removeprefix("/")
    return found.removeprefix("https://") if "https" in extra else found


def _named(name: str, source: Source) -> str:
    if name == "destination":
        names = ("destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId")
        return next((text for each in names if (text := source.text(each))), STRANGER)
    return source.text(name) or STRANGER


def _uuid(digits: str) -> str:
    cuts = (0, 8, 12, 16, 20, 32)
    return "-".join(digits[start:end] for start, end in itertools.pairwise(cuts))
