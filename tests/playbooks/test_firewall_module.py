"""What the firewall's module reads from nft's counters."""

from __future__ import annotations

from typing import Any

from tests.playbooks.loading import plugin

firewall: Any = plugin("modules", "landfall_firewall")

LISTING = """
table inet landfall {
    counter accepted_in_mgmt {
        packets 3 bytes 180
    }
    counter dropped_in_mgmt {
        packets 14 bytes 840
    }
    counter spoofed {
        packets 0 bytes 0
    }
    counter confined {
        packets 1 bytes 60
    }
}
"""


def test_a_lock_out_is_explained_by_what_was_dropped() -> None:
    assert firewall._dropped(LISTING) == ["dropped_in_mgmt 14", "confined 1"]
    assert firewall._dropped("") == []
