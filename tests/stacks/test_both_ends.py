"""Both ends of the link say the same, for every environment: what Pulumi is given, and the role."""

from __future__ import annotations

from typing import Any, cast

import pytest

from landfall.handoff import parse
from landfall.model import site as sites
from landfall.model.environment import ROOT, find, names
from landfall.model.site import Site
from landfall.model.tunnels import EdgePlan, plan
from tests.playbooks import links

pytestmark = pytest.mark.slow

STRONGSWAN = {
    "AES128-GCM-16": "aes128gcm16",
    "AES256-GCM-16": "aes256gcm16",
    "SHA2-256": "prfsha256",
    "SHA2-384": "prfsha384",
    "SHA2-512": "prfsha512",
    "19": "ecp256",
    "20": "ecp384",
    "21": "ecp521",
}
"""AWS's words in strongSwan's: written down here once more, so that no mistake is shared."""

VARIANTS: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "weaker and shorter": {
        "cipher": "AES128-GCM-16", "integrity": "SHA2-256", "dh_group": 19,
        "ike_lifetime_s": 900, "esp_lifetime_s": 900, "dpd_timeout_s": 30,
    },
    "strongest": {"integrity": "SHA2-512", "dh_group": 21},
}  # fmt: skip


def pulumi_end(site: Site, edge: int, number: int) -> dict[str, Any]:
    from stacks.tunnels import tunnel_options

    inside = site.edges[edge].inside[number - 1]
    given = tunnel_options(number, inside, site.link, cast(Any, None))
    return {name.removeprefix(f"tunnel{number}_"): value for name, value in given.items()}


def compare(cloud: dict[str, Any], here: EdgePlan, number: int) -> None:
    crypto, tunnel = here.crypto, here.tunnels[number - 1]

    def words(*fields: str) -> str:
        [found] = {tuple(len(cloud[field]) for field in fields)}
        assert set(found) == {1}  # nothing is left to AWS's choice
        return "-".join(STRONGSWAN[str(cloud[field][0])] for field in fields)

    assert crypto.ike_proposal == words(
        "phase1_encryption_algorithms", "phase1_integrity_algorithms", "phase1_dh_group_numbers"
    )
    # ESP with AES-GCM has no integrity of its own: what AWS is told for it has no effect.
    assert crypto.esp_proposal == words("phase2_encryption_algorithms", "phase2_dh_group_numbers")
    assert crypto.ike_rekey_s + crypto.ike_over_s == cloud["phase1_lifetime_seconds"]
    assert crypto.esp_life_s == cloud["phase2_lifetime_seconds"]
    assert crypto.rekey_spread_s == cloud["rekey_margin_time_seconds"]
    assert crypto.replay_window == cloud["replay_window_size"]
    silence = crypto.dpd_delay_s + sum(
        crypto.retransmit_timeout_s * crypto.retransmit_base**n
        for n in range(crypto.retransmit_tries + 1)
    )
    assert silence == pytest.approx(cloud["dpd_timeout_seconds"], abs=0.1)
    assert cloud["ike_versions"] == ["ikev2"]
    first, last = str(tunnel.cloud_inside), str(tunnel.site_inside)
    network = cloud["inside_cidr"].partition("/")[0].rpartition(".")
    assert first == f"{network[0]}.{int(network[2]) + 1}"
    assert last == f"{network[0]}.{int(network[2]) + 2}"


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("environment", names(ROOT))
def test_what_pulumi_gets_is_what_the_edges_configure(environment: str, variant: str) -> None:
    site = sites.load(find(environment, ROOT))
    link = {**site.link.model_dump(), **VARIANTS[variant]}
    site = Site.model_validate({**site.model_dump(by_alias=True), "link": link})
    told = parse({"handoff": links.handoff(site, vpc_cidr="172.30.0.0/16")})
    for index, here in enumerate(plan(site, told.tunnels, vpc=told.vpc_cidr)):
        assert here.asn == site.edges[index].asn
        for number in (1, 2):
            compare(pulumi_end(site, index, number), here, number)
