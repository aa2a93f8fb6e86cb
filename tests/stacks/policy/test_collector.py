"""What a preview keeps of the engine's policy events."""

from __future__ import annotations

from pulumi.automation import DiagnosticEvent, EngineEvent, PolicyEvent

from stacks.changes import Collector

URN = "urn:pulumi:dev::landfall::aws:ec2/vpc:Vpc::core"


def policy(level: str, name: str = "flow-logs") -> EngineEvent:
    said = PolicyEvent(
        message="Every VPC has a flow log.\nhas no flow log\n",
        color="never",
        policy_name=name,
        policy_pack_name="landfall",
        policy_pack_version="0.1.0",
        policy_pack_version_tag="",
        enforcement_level=level,
        resource_urn=URN,
    )
    return EngineEvent(sequence=0, timestamp=0, policy_event=said)


def error(urn: str | None) -> EngineEvent:
    said = DiagnosticEvent(message="preview failed", color="never", severity="error", urn=urn)
    return EngineEvent(sequence=0, timestamp=0, diagnostic_event=said)


def test_a_failure_is_one_line_of_policy_resource_and_finding() -> None:
    collector = Collector("dev")
    collector(policy("mandatory"))
    assert collector.policy_failures == ["flow-logs: core: has no flow log"]
    assert collector.policy_notes == []


def test_what_is_open_is_one_sentence() -> None:
    collector = Collector("dev")
    for name in ("flow-logs", "backups", "flow-logs"):
        collector(policy("advisory", name))
    assert collector.policy_failures == []
    (note,) = collector.policy_notes
    assert note.endswith("backups (1), flow-logs (2)")


def test_the_engines_last_word_is_not_a_fault_of_a_resource() -> None:
    collector = Collector("dev")
    collector(error(None))
    assert not collector.faulty
    collector(error(URN))
    assert collector.faulty == {URN}
