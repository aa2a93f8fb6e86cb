"""What the cloud tells the site, and nothing else: stack outputs, parsed into one frozen type.

It travels from cloud to site only. Secrets travel as references (ARNs), never as values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from landfall import files
from landfall.errors import InvalidInput, LandfallError, Problem
from landfall.model.parsing import Written, problems_of
from landfall.model.site import Site

Arn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:\d*:.+")]

OUTPUT = "handoff"
"""The name of the stack output that carries all of it."""


class Tunnel(Written):
    """One tunnel, seen from the site: its addresses, and the ARN of the key or certificate."""

    edge: str
    cloud_address: IPv4Address
    cloud_inside: IPv4Address
    site_inside: IPv4Address
    cloud_asn: int
    preshared_key_arn: Arn | None = None
    certificate_arn: Arn | None = None


class SiteHosts(Written):
    """What a host needs, with its certificate, to get credentials (IAM Roles Anywhere)."""

    trust_anchor_arn: Arn
    profile_arn: Arn
    role_arn: Arn


class Handoff(Written):
    """Everything that the site must know about its environment's cloud half.

    Attributes:
        account: the AWS account, 12 digits.
        region: where the cloud half stands.
        provider: "aws" for a real account, "offline" for a rehearsal.
        vpc_cidr: the network at the other end of the link.
        bucket: where artifacts are released.
        artifacts_key_arn: the KMS key that encrypts them.
        tunnels: two for each edge; none where another owns the link, or a line carries it.
        resolver_addresses: where the site's name servers forward the cloud's names to.
        registry: the address of the model registry, where there is one.
        site_hosts: how hosts get credentials, where they do.
        streams: what Kinesis calls each stream, by name.
    """

    account: Annotated[str, Field(pattern=r"^\d{12}$")]
    region: str
    provider: Annotated[str, Field(pattern="^(aws|offline)$")]
    vpc_cidr: IPv4Network
    bucket: str
    artifacts_key_arn: Arn
    tunnels: tuple[Tunnel, ...]
    resolver_addresses: tuple[IPv4Address, ...] = ()
    registry: str | None = None
    site_hosts: SiteHosts | None = None
    streams: Mapping[str, str] = Field(default_factory=dict)


def check(handoff: Handoff, site: Site, *, source: str) -> None:
    """Compare what the cloud says about the link with what the site says about it.

    Raises:
        InvalidInput: a tunnel's edge, addresses or ASN are not those of `site.link`; the stack was
            made from another version of it.
    """
    problems = [
        Problem(path=f"tunnels.{index}.{field}", message=message)
        for index, tunnel in enumerate(handoff.tunnels)
        for field, message in _differences(tunnel, site)
    ]
    if problems:
        hint = "bring the stack up, so that both ends are made from the same site.link"
        raise InvalidInput(source, problems, hint=hint)


def _differences(tunnel: Tunnel, site: Site) -> Iterator[tuple[str, str]]:
    edges = {edge.name: edge for edge in site.edges}
    if tunnel.cloud_asn != site.link.cloud_asn:
        yield "cloud_asn", f"{tunnel.cloud_asn}; site.link.cloud_asn is {site.link.cloud_asn}"
    if tunnel.edge not in edges:
        yield "edge", f"the site has no edge {tunnel.edge}; it has {', '.join(sorted(edges))}"
        return
    ranges = edges[tunnel.edge].inside
    for field in ("cloud_inside", "site_inside"):
        address = getattr(tunnel, field)
        if not any(address in each for each in ranges):
            known = " and ".join(map(str, ranges))
            yield field, f"{address} is in no inside range of {tunnel.edge}: {known}"


def parse(outputs: Mapping[str, object], *, source: str = "stack outputs") -> Handoff:
    """The handoff in the outputs of a stack.

    Raises:
        InvalidInput: something is missing or not of its form; all problems are named.
    """
    value = outputs.get(OUTPUT)
    if value is None:
        message = "not among the outputs; the stack has not been brought up"
        raise InvalidInput(source, [Problem(path=OUTPUT, message=message)])
    try:
        return Handoff.model_validate_json(json.dumps(value))
    except ValidationError as error:
        raise InvalidInput(source, problems_of(error, Handoff, OUTPUT)) from error


def save(handoff: Handoff, path: Path) -> None:
    """Write `handoff` to `path`, whole or not at all. It holds no secret."""
    files.write(path, handoff.model_dump_json(indent=2) + "\n")


def load(path: Path) -> Handoff:
    """The handoff that `save` wrote.

    Raises:
        LandfallError: there is none yet; the hint says how to get it.
        InvalidInput: the file is not a handoff.
    """
    try:
        written = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise LandfallError(
            f"{path} does not exist: the cloud half has not been brought up",
            hint="landfall up makes it; after `pulumi up` by hand, landfall handoff does",
        ) from error
    except ValueError as error:
        raise InvalidInput(str(path), [Problem(path="", message="not JSON")]) from error
    return parse({OUTPUT: written}, source=str(path))
