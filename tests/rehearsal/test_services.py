"""The services start, are found again, keep what they had, and never take a port from others."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from landfall import aws, process
from landfall.errors import Busy, LandfallError
from rehearsal import objects
from rehearsal.services import BUCKET, Ports, Services
from tests.loopback import free_port

KEY = aws.Location(bucket=BUCKET, key="a/" + "long" * 80 + "/\u00e4 b")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Services]:
    """S3 runs; a program that never answers plays the registry, which takes long to start."""
    found = Services(
        state=tmp_path / "services", ports=Ports(aws=free_port(), registry=free_port())
    )
    yield found
    found.stop()


@pytest.fixture
def quick(running: Services, monkeypatch: pytest.MonkeyPatch) -> Services:
    monkeypatch.setattr(Services, "_registry_command", lambda self: ["/bin/sleep", "600"])
    return running


def kill(running: Services, name: str) -> None:
    daemon = process.recorded(running.state / f"{name}.pid")
    assert daemon is not None
    os.kill(daemon.pid, signal.SIGKILL)
    assert process.wait_until(lambda: not daemon.alive(), timeout_s=10)


def test_the_environment_leads_to_loopback_only() -> None:
    found = Services(state=Path("x"), ports=Ports(aws=1234, registry=2345)).environment
    urls = {key: value for key, value in found.items() if value.startswith("http")}
    assert {value for key, value in urls.items() if key.startswith("AWS")} == {
        "http://127.0.0.1:1234"
    }
    assert found["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] == "false"
    assert found["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:2345"


def test_a_taken_port_names_its_holder(quick: Services) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", quick.ports.aws))
        other.listen()
        with pytest.raises(Busy) as caught:
            quick.start()
    assert f"port {quick.ports.aws} on 127.0.0.1 is taken by " in str(caught.value)
    assert f"(process {os.getpid()})" in str(caught.value)
    assert not any(each.running for each in quick.status())


@pytest.mark.services
def test_an_orderly_stop_keeps_objects_but_no_secrets(quick: Services) -> None:
    assert quick.start()
    quick.wait_for_aws()
    aws.put_object(KEY, b"kept", via=quick.access)
    aws.put_secret("psk", "canary-secret", via=quick.access)
    assert not quick.start()  # it runs: nothing is done
    assert quick.stop()
    assert not quick.stop()
    for file in quick.state.rglob("*"):
        assert not file.is_file() or b"canary-secret" not in file.read_bytes()
    assert quick.start()
    quick.wait_for_aws()
    assert aws.get_object(KEY, via=quick.access) == b"kept"
    with pytest.raises(aws.Missing):
        aws.get_secret("psk", via=quick.access)


@pytest.mark.services
def test_after_a_crash_both_begin_empty(quick: Services) -> None:
    quick.start()
    quick.wait_for_aws()
    aws.put_object(KEY, b"lost", via=quick.access)
    database = quick.state / "registry.db"
    database.write_text("points to what is lost")
    registry = process.recorded(quick.state / "registry.pid")
    kill(quick, "aws")
    assert quick.start()
    quick.wait_for_aws()
    assert not database.exists()
    assert registry is not None
    assert not registry.alive()  # it had that database open
    assert aws.list_objects(aws.Location(bucket=BUCKET, key=""), via=quick.access) == ()


@pytest.mark.services
def test_a_start_that_was_cut_off_loses_nothing(quick: Services) -> None:
    quick.start()
    quick.wait_for_aws()
    aws.put_object(KEY, b"kept", via=quick.access)
    quick.stop()
    quick.start()
    kill(quick, "aws")  # before anybody waited: the objects are not back yet
    quick.start()
    quick.stop()  # nor here
    quick.start()
    quick.wait_for_aws()
    assert aws.get_object(KEY, via=quick.access) == b"kept"


@pytest.mark.services
def test_a_registry_that_was_killed_comes_back_alone(quick: Services) -> None:
    quick.start()
    quick.wait_for_aws()
    aws.put_object(KEY, b"kept", via=quick.access)
    kill(quick, "registry")
    assert not quick.start()
    assert all(each.running for each in quick.status())
    assert aws.get_object(KEY, via=quick.access) == b"kept"


@pytest.mark.services
def test_a_service_that_ends_quotes_its_log(
    running: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = ["/bin/sh", "-c", "echo out of luck; exit 3"]
    monkeypatch.setattr(Services, "_aws_command", lambda self: failing)
    monkeypatch.setattr(Services, "_registry_command", lambda self: ["/bin/sleep", "600"])
    running.start()
    with pytest.raises(LandfallError, match=r"the service aws ended\n  out of luck"):
        running.wait_for_aws()


@pytest.mark.services
def test_a_service_that_hangs_is_not_waited_for_for_ever(quick: Services) -> None:
    quick.start()
    said: list[str] = []
    with pytest.raises(LandfallError, match="the service registry did not answer within 8 s"):
        quick.wait(said.append, timeout_s=8.0)
    assert len(said) == 2


@pytest.mark.services
def test_both_become_ready(running: Services) -> None:
    running.start()
    running.wait()
    assert [(each.name, each.running, each.ready) for each in running.status()] == [
        ("aws", True, True),
        ("registry", True, True),
    ]
    assert not running.start()


def test_objects_that_were_not_saved_whole_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "objects.part").mkdir()
    assert not objects.saved(tmp_path / "objects")
