"""Each kind of link, through the real engine: nothing about a tunnel is left to AWS's choice."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Any

import pulumi
import pytest

from landfall.model.link import Link as LinkSettings
from landfall.model.site import Edge
from tests.stacks import components
from tests.stacks.conftest import Planned, Rehearsal

pytestmark = pytest.mark.engine

SECRET = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:macsec-a"
CERTIFICATE = "arn:aws:acm:eu-central-1:111122223333:certificate/a"
SITE = {"serving": IPv4Network("10.64.32.0/24"), "storage": IPv4Network("10.64.16.0/24")}


def edge(name: str, number: int, **more: Any) -> Edge:
    return Edge.model_validate(
        {
            "name": f"{name}-{number}",
            "address": f"203.0.113.{number}",
            "asn": 65030,
            "inside": [f"169.254.{number}0.0/30", f"169.254.{number}1.0/30"],
            **more,
        }
    )


def line(name: str, **more: Any) -> dict[str, Any]:
    return {
        "edge": f"{name}-1", "location": "EqFA5", "bandwidth": "10Gbps", "vlan": 101,
        "peering": "169.254.100.0/30", **more,
    }  # fmt: skip


VARIANTS: Mapping[str, tuple[dict[str, Any], list[Edge]]] = {
    "bgp": ({"cloud_asn": 64601}, [edge("bgp", 1), edge("bgp", 2)]),
    "static": ({"routing": "static"}, [edge("static", 1)]),
    "certified": (
        {"authentication": "certificate"},
        [edge("certified", 1, certificate_arn=CERTIFICATE)],
    ),
    "macsec": (
        {
            "kind": "direct_connect", "encryption": "macsec",
            "connections": [line("macsec", macsec_secret_arn=SECRET)],
        },
        [edge("macsec", 1)],
    ),
    "inside": (
        {"kind": "direct_connect", "connections": [line("inside", bandwidth="1Gbps")]},
        [edge("inside", 1, line_address="10.255.0.2")],
    ),
}  # fmt: skip


def program() -> None:
    import pulumi_aws as aws

    from stacks.alarms import Alarms, AlarmsArgs
    from stacks.link import Link, LinkArgs
    from stacks.settings.adoption import AdoptedTransitGateway

    place, network = components.place(), components.network()
    alarms = Alarms("alarms", AlarmsArgs(place=place, notify=("a@b.example",)))
    common = {"place": place, "network": network, "site_networks": SITE, "alarms": alarms}
    for name, (written, edges) in VARIANTS.items():
        settings = LinkSettings.model_validate(written)
        made = Link(name, LinkArgs(link=settings, edges=tuple(edges), **common))  # type: ignore[arg-type]
        pulumi.export(name, made.tunnels)
    gateway = AdoptedTransitGateway(
        id="tgw-0123456789abcdef0", route_table="tgw-rtb-0123456789abcdef0"
    )
    owner = aws.Provider("owner", region="eu-central-1")
    Link(
        "adopted",
        LinkArgs(
            link=LinkSettings(),
            edges=(edge("adopted", 1),),
            gateway=gateway,
            adopted=True,
            owner=owner,
            **common,  # type: ignore[arg-type]
        ),
    )


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    from stacks.offline import OfflineCloud

    with OfflineCloud() as cloud:
        return Rehearsal(tmp_path_factory.mktemp("state"), cloud).up(program)


def test_both_tunnels_of_each_connection_are_fully_specified(planned: Planned) -> None:
    connections = planned.of("aws:ec2/vpnConnection:VpnConnection")
    assert sorted(connections) == ["bgp-1", "bgp-2", "certified-1", "inside-1", "static-1"]
    for found in connections.values():
        for tunnel in ("tunnel1", "tunnel2"):
            assert found[f"{tunnel}IkeVersions"] == ["ikev2"]
            assert found[f"{tunnel}Phase1EncryptionAlgorithms"] == ["AES256-GCM-16"]
            assert found[f"{tunnel}Phase2EncryptionAlgorithms"] == ["AES256-GCM-16"]
            assert found[f"{tunnel}Phase1DhGroupNumbers"] == [20]
            assert found[f"{tunnel}StartupAction"] == "start"
            assert found[f"{tunnel}DpdTimeoutAction"] == "restart"
            assert found[f"{tunnel}InsideCidr"].startswith("169.254.")
            assert not any("PresharedKey" in key for key in found if key.startswith(tunnel))


def test_keys_are_made_by_aws_or_there_are_certificates(planned: Planned) -> None:
    connections = planned.of("aws:ec2/vpnConnection:VpnConnection")
    assert connections["bgp-1"]["presharedKeyStorage"] == "SecretsManager"
    customer = planned.of("aws:ec2/customerGateway:CustomerGateway")
    assert customer["certified-1"]["certificateArn"] == CERTIFICATE
    assert "certificateArn" not in customer["bgp-1"]


def test_a_line_with_macsec_has_no_tunnels(planned: Planned) -> None:
    (found,) = [
        value
        for name, value in planned.of("aws:directconnect/connection:Connection").items()
        if "macsec" in name
    ]
    assert found["requestMacsec"] is True
    assert found["encryptionMode"] == "must_encrypt"
    keys = planned.of("aws:directconnect/macsecKeyAssociation:MacsecKeyAssociation")
    assert [each["secretArn"] for each in keys.values()] == [SECRET]
    assert all("cak" not in each for each in keys.values())


def test_tunnels_inside_a_line_have_private_addresses(planned: Planned) -> None:
    inside = planned.of("aws:ec2/vpnConnection:VpnConnection")["inside-1"]
    assert inside["outsideIpAddressType"] == "PrivateIpv4"
    assert inside["transportTransitGatewayAttachmentId"]
    customer = planned.of("aws:ec2/customerGateway:CustomerGateway")["inside-1"]
    assert customer["ipAddress"] == "10.255.0.2"
    gateway = planned.of("aws:ec2transitgateway/transitGateway:TransitGateway")["inside"]
    assert gateway["transitGatewayCidrBlocks"] == ["10.255.255.0/24"]
    announced = planned.of("aws:directconnect/gatewayAssociation:GatewayAssociation")
    assert announced["inside-line"]["allowedPrefixes"] == ["10.100.0.0/16", "10.255.255.0/24"]


def test_static_routes_are_there_where_bgp_does_not_bring_them(planned: Planned) -> None:
    routes = planned.of("aws:ec2transitgateway/route:Route")
    assert {each["destinationCidrBlock"] for each in routes.values()} == {
        "10.64.32.0/24",
        "10.64.16.0/24",
    }
    assert all(name.startswith("static") for name in routes)


def test_alarms_are_right_for_bgp_and_for_static(planned: Planned) -> None:
    alarms = planned.of("aws:cloudwatch/metricAlarm:MetricAlarm")
    assert alarms["tunnel-bgp-1-1"]["statistic"] == "Average"
    assert alarms["tunnel-static-1-1"]["statistic"] == "Maximum"
    assert alarms["line-macsec-1"]["metricName"] == "ConnectionState"
    per_tunnel = [name for name in alarms if name.startswith("tunnel-")]
    assert len(per_tunnel) == 2 * 5, "one for each tunnel of each connection"
    assert {each["treatMissingData"] for each in alarms.values()} == {"breaching"}


def test_the_network_and_the_site_are_in_tables_of_their_own(planned: Planned) -> None:
    gateways = planned.of("aws:ec2transitgateway/transitGateway:TransitGateway")
    assert "adopted" not in gateways
    assert {each["defaultRouteTableAssociation"] for each in gateways.values()} == {"disable"}
    tables = planned.of("aws:ec2transitgateway/routeTable:RouteTable")
    assert {"bgp-vpc", "bgp-site"} <= set(tables)
    inside = {
        name: each["transitGatewayRouteTableId"]
        for name, each in planned.of(
            "aws:ec2transitgateway/routeTableAssociation:RouteTableAssociation"
        ).items()
    }
    told = {
        name: each["transitGatewayRouteTableId"]
        for name, each in planned.of(
            "aws:ec2transitgateway/routeTablePropagation:RouteTablePropagation"
        ).items()
    }
    assert inside["bgp-vpc"] != inside["bgp-bgp-1"]
    assert inside["bgp-vpc"] == told["bgp-bgp-1"]
    assert told["bgp-vpc"] == inside["bgp-bgp-1"]


def test_an_adopted_gateway_is_attached_and_accepted_by_its_owner(planned: Planned) -> None:
    attachment = planned.of("aws:ec2transitgateway/vpcAttachment:VpcAttachment")["adopted"]
    assert attachment["transitGatewayId"] == "tgw-0123456789abcdef0"
    accepted = planned.of("aws:ec2transitgateway/vpcAttachmentAccepter:VpcAttachmentAccepter")
    assert list(accepted) == ["adopted"]
    made = " ".join(planned.inputs)
    assert "VpnConnection adopted" not in made
    assert "CustomerGateway adopted" not in made
