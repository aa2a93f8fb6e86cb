from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from landfall.errors import InvalidInput
from landfall.model import site
from landfall.model.environment import Environment
from landfall.model.link import INSIDE_RESERVED, inside_range, private_asn

Edit = Callable[[dict[str, Any]], None]


def written(dev: Environment, edit: Edit) -> None:
    """Change the site file of the copied checkout."""
    value = yaml.safe_load(dev.site_file.read_text())
    edit(value["site"])
    dev.site_file.write_text(yaml.safe_dump(value, sort_keys=False))


def problems(dev: Environment) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        site.load(dev)
    assert caught.value.source == "inventories/dev/group_vars/all/site.yml"
    return {each.path: each.message for each in caught.value.problems}


def test_the_site_of_dev_loads(dev: Environment) -> None:
    found = site.load(dev)
    assert found.edges[0].asn == 65010
    assert found.ranges["serving"] == IPv4Network("10.88.32.0/24")


CASES: list[tuple[str, Edit, str, str]] = [
    (
        "unknown key",
        lambda s: s["link"].update(cypher="AES"),
        "site.link.cypher",
        "unknown key; did you mean cipher?",
    ),
    (
        "overlap",
        lambda s: s["networks"].update(link="10.88.32.128/25"),
        "site.networks.link",
        "10.88.32.128/25 overlaps 10.88.32.0/24 of site.networks.serving",
    ),
    (
        "reserved ASN",
        lambda s: s["edges"][0].update(asn=7224),
        "site.edges.0.asn",
        "ASN 7224 is reserved by AWS (everywhere); take one from 64512 to 65534",
    ),
    (
        "public ASN",
        lambda s: s["link"].update(cloud_asn=3320),
        "site.link.cloud_asn",
        "ASN 3320 is not a private one; take one from 64512 to 65534",
    ),
    (
        "private edge",
        lambda s: s["edges"][0].update(address="10.0.0.1"),
        "site.edges.0.address",
        "10.0.0.1 is a private address; AWS needs the edge's public one",
    ),
    (
        "inside a reserved range",
        lambda s: s["edges"][0].update(inside=["169.254.0.0/30", "169.254.11.0/30"]),
        "site.edges.0.inside",
        "169.254.0.0/30 is reserved by AWS; 169.254.10.0/30 is free",
    ),
    (
        "the same inside range twice",
        lambda s: s["edges"][0].update(inside=["169.254.10.0/30", "169.254.10.0/30"]),
        "site.edges.0.inside.1",
        "169.254.10.0/30 overlaps 169.254.10.0/30 of site.edges.0.inside.0",
    ),
    (
        "restricted data in the overflow",
        lambda s: s.update(
            overflow={"address": "10.100.0.5:443", "classifications": ["restricted"]}
        ),
        "site.overflow.classifications",
        "restricted data never leaves the site; only public and internal may overflow",
    ),
    (
        "a tenant twice",
        lambda s: s["tenants"].append(dict(s["tenants"][0])),
        "site.tenants",
        "clinic appears twice",
    ),
    (
        "an escrow that is not there",
        lambda s: s.update(escrow="escrow.pem"),
        "site.escrow",
        "no file escrow.pem below the checkout",
    ),
]


@pytest.mark.parametrize(
    ("edit", "path", "message"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_bad_sites(dev: Environment, edit: Edit, path: str, message: str) -> None:
    written(dev, edit)
    assert problems(dev).get(path) == message


def test_an_escrow_with_its_private_key(dev: Environment) -> None:
    (dev.root / "escrow.pem").write_text("-----BEGIN RSA PRIVATE KEY-----")
    written(dev, lambda s: s.update(escrow="escrow.pem"))
    assert "holds a private key" in problems(dev)["site.escrow"]


def test_all_problems_at_once(dev: Environment) -> None:
    def edit(value: dict[str, Any]) -> None:
        value["edges"][0]["asn"] = 1
        value["link"]["dh_group"] = 2
        value["nmae"] = "x"

    written(dev, edit)
    assert set(problems(dev)) == {"site.edges.0.asn", "site.link.dh_group", "site.nmae"}


def test_a_missing_file_is_named(dev: Environment) -> None:
    dev.site_file.unlink()
    with pytest.raises(InvalidInput, match=r"site\.yml: 1 problem\n  no such file"):
        site.load(dev)


@given(st.integers(min_value=0, max_value=2**32))
def test_asns_are_private_or_refused(asn: int) -> None:
    private = 64512 <= asn <= 65534 or 4200000000 <= asn <= 4294967294
    try:
        assert private_asn(asn) == asn
        assert private
    except ValueError:
        assert not private


@given(st.integers(min_value=0, max_value=2**14 - 1))
def test_inside_ranges_are_free_or_refused(index: int) -> None:
    network = IPv4Network((int(IPv4Network("169.254.0.0/16").network_address) + 4 * index, 30))
    try:
        assert inside_range(network) == network
        assert network not in INSIDE_RESERVED
    except ValueError:
        assert network in INSIDE_RESERVED
