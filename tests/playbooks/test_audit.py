"""Logs of a booted host reach a real collector over TLS, or wait for it; never in the clear."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from landfall import process
from rehearsal.rack import Rack
from tests.playbooks.collector import Collector, certificate
from tests.playbooks.one_host import OneHost, booted

pytestmark = pytest.mark.host

ADDRESS = "10.81.0.1"
NUMBERS = itertools.count()


@dataclass
class Audited:
    host: OneHost
    rack: Rack
    right: Path
    wrong: Path

    def collector(self, cert: Path | None) -> Collector:
        return Collector(self.rack.namespace, ADDRESS, cert)

    def log(self, count: int = 1) -> list[str]:
        """Have the host log some words that nobody else logs."""
        words = [f"canary-{next(NUMBERS)}-{self.host.folder.name}" for _ in range(count)]
        self.host.ssh("; ".join(f"logger -p user.notice {word}" for word in words))
        return words


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    folder = tmp_path_factory.mktemp("certificates")
    right, wrong = (certificate(folder, "siem.test", file=each) for each in ("right", "wrong"))
    with booted(tmp_path_factory.mktemp("audit"), net=81) as (host, rack):
        host.variables = {
            "audit_logs": {"address": ADDRESS, "name": "siem.test", "ca": str(right)},
            "audit_retry_s": 1,
            "audit_files": ["/var/log/nginx/landfall.json"],
        }
        host.ssh("apt-get -qq update")
        yield Audited(host=host, rack=rack, right=right, wrong=wrong)


def arrive(collector: Collector, words: list[str]) -> bool:
    def all_of_them() -> bool:
        return all(collector.has(each) for each in words)

    return process.wait_until(all_of_them, timeout_s=60, interval_s=0.3)


def test_check_mode_foresees_the_first_run(audited: Audited) -> None:
    audited.host.truthful("audit")
    assert audited.host.ssh("readlink /etc/systemd/system/auditd.service") == "/dev/null\n"


def test_logs_arrive(audited: Audited) -> None:
    collector = audited.collector(audited.right)
    try:
        assert arrive(collector, audited.log(3))
        audited.host.ssh(
            "mkdir -p /var/log/nginx; echo '{\"canary\": 1}' >> /var/log/nginx/landfall.json"
        )
        assert arrive(collector, ['t-1 landfall - - - {"canary": 1}'])
        assert all(each.startswith("<") and " t-1 " in each for each in collector.messages)
    finally:
        collector.close()


def test_nothing_is_lost_while_the_collector_is_away(audited: Audited) -> None:
    waiting = audited.log(40)
    # rsyslog and with it the host's memory end; what waits is on disk
    audited.host.ssh("systemctl restart rsyslog")
    assert audited.host.ssh("ls /var/spool/rsyslog | grep -c landfall-forward").strip() != "0"
    waiting += audited.log(5)
    audited.rack.restart("t-1")
    waiting += audited.log(5)
    collector = audited.collector(audited.right)
    try:
        assert arrive(collector, waiting)
    finally:
        collector.close()


def test_a_collector_with_another_certificate_gets_nothing(audited: Audited) -> None:
    impostor = audited.collector(audited.wrong)
    try:
        words = audited.log(3)
        assert process.wait_until(lambda: len(impostor.connections) > 1, timeout_s=30)
        assert impostor.messages == []
    finally:
        impostor.close()
    listener = audited.collector(None)
    try:
        words += audited.log(3)
        assert process.wait_until(lambda: len(listener.raw) > 100, timeout_s=30)
        assert listener.raw[:2] == b"\x16\x03"  # a TLS handshake, and nothing after it
        assert not [each for each in words if each.encode() in listener.raw]
    finally:
        listener.close()
    collector = audited.collector(audited.right)
    try:
        assert arrive(collector, words)
    finally:
        collector.close()


def test_a_site_without_a_collector_keeps_its_logs(audited: Audited) -> None:
    assert audited.host.play("audit", "--check", audit_logs=None).counts["failed"] == 0
