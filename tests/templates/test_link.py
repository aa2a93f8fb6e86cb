"""The files of an edge and of a host's network are what was reviewed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from landfall import render
from tests.playbooks import links

HERE = Path(__file__).parent

LINK, NETWORK = links.filters("landfall_link"), links.filters("landfall_network")
STATIC = links.site(edges=links.EDGES[:1], link={"routing": "static", "mtu": 1400, "mss": 1360})
SITE = links.site()


def edge(site: Any, host: str, **options: Any) -> str:
    given = {**links.OPTIONS, **options}
    return links.as_text(LINK["link_files"](links.written(site), links.handoff(site), host, given))


MADE = {
    "link/edge-b.golden": lambda: edge(SITE, "edge-2", peers=["10.64.48.2"]),
    "link/edge-static.golden": lambda: edge(
        STATIC, "edge-1", local_address="10.64.48.2", dns=False
    ),
    "link/rules.golden": lambda: render.render("prometheus/rules/link.yml.j2", {}),
    "network/host.golden": lambda: links.as_text(
        NETWORK["network_files"](links.written(links.host()), links.written(SITE))
    ),
}


@pytest.mark.parametrize("golden", MADE)
def test_the_text_is_what_was_reviewed(golden: str) -> None:
    text = MADE[golden]()
    assert text == (HERE / golden).read_text(), f"if this is right, write it to {golden}"
