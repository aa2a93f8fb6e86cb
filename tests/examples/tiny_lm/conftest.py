"""S3 on loopback for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from landfall.aws import Access


@pytest.fixture(scope="session")
def s3() -> Iterator[Access]:
    """A moto server in this process, on a port that is free."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield Access(
        endpoint=f"http://{host}:{port}", region="eu-central-1", access_key="a", secret_key="b"
    )
    server.stop()
