"""How the registry's tasks log in to PostgreSQL, with a real one on this machine.

It needs Debian's postgresql and the Python package psycopg2, as the registry's own image does.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from landfall import process
from stacks.registry_server import AUTHORITIES, database_uri, healthy
from stacks.registry_start import self_signed

psycopg2 = pytest.importorskip("psycopg2", reason="the registry's driver of PostgreSQL")
sqlalchemy = pytest.importorskip("sqlalchemy")

INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
USER = "postgres"

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        not INSTALLED or not shutil.which("setpriv"),
        reason="no PostgreSQL (apt-get install postgresql)",
    ),
]

PASSABLE = 0o001
"""The right to go through a folder, for everyone: PostgreSQL's user must reach its own."""

AS_SERVER = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
"""PostgreSQL refuses to run as root."""


@dataclass(frozen=True)
class Tables:
    """A server that stands in for RDS: TLS with a certificate for its name, one user."""

    port: int
    certificate: Path

    def uri(self, *, host: str = "localhost", authorities: Path | None = None) -> str:
        """The task's own URI, for this port and this certificate's authority."""
        authority = str(authorities or self.certificate)
        return database_uri(host).replace(":5432", f":{self.port}").replace(AUTHORITIES, authority)

    def check(self, password: str, uri: str | None = None) -> process.Completed:
        """The container's health check."""
        _, program, *rest = healthy()
        return process.run(
            [sys.executable if program == "python" else program, *rest],
            env={"MLFLOW_BACKEND_STORE_URI": uri or self.uri(), "PGPASSWORD": password},
            check=False,
        )


@pytest.fixture(scope="module")
def first() -> str:
    return secrets.token_hex(20)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, first: str) -> Iterator[Tables]:
    folder = tmp_path_factory.mktemp("postgresql")
    for each in (folder, *folder.parents):
        mode = each.stat().st_mode
        if not mode & PASSABLE:
            each.chmod(mode | PASSABLE)
    key, certificate = self_signed("localhost")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found = Tables(int(probe.getsockname()[1]), folder / "certificate.pem")
    for name, content in (("key", key), ("certificate", certificate), ("word", first.encode())):
        path = folder / (f"{name}.pem" if name != "word" else name)
        path.write_bytes(content)
        path.chmod(0o600)
        shutil.chown(path, USER, USER)
    shutil.chown(folder, USER, USER)
    run_server(folder, found)
    try:
        assert process.wait_until(lambda: found.check(first).returncode == 0, timeout_s=30), (
            folder / "log"
        ).read_text()
        yield found
    finally:
        process.stop(folder / "daemon.json")


def run_server(folder: Path, tables: Tables) -> None:
    binaries, data = INSTALLED[-1], folder / "data"
    process.run(
        [*AS_SERVER, binaries / "initdb", "-D", data, "-U", "registry",
         f"--pwfile={folder}/word", "-A", "scram-sha-256"],
        cwd=folder,
    )  # fmt: skip
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": tables.port,
        "unix_socket_directories": folder,
        "ssl": "on",
        "ssl_cert_file": tables.certificate,
        "ssl_key_file": folder / "key.pem",
    }
    process.spawn(
        [*AS_SERVER, binaries / "postgres", "-D", data,
         *(f"--{name}={value}" for name, value in settings.items())],
        name="postgresql",
        record=folder / "daemon.json",
        log=folder / "log",
        cwd=folder,
    )  # fmt: skip
    # RDS makes the database with the server; here its user's own name stands for it.
    assert process.wait_until(lambda: made(folder, tables), timeout_s=30)


def made(folder: Path, tables: Tables) -> bool:
    word = {"PGPASSWORD": (folder / "word").read_text()}
    server = ("-h", "localhost", "-p", str(tables.port), "-U", "registry")
    done = process.run([INSTALLED[-1] / "createdb", *server, "registry"], env=word, check=False)
    return done.returncode == 0 or "already exists" in done.stderr


def test_another_servers_certificate_is_refused(tables: Tables, first: str, tmp_path: Path) -> None:
    stranger = tmp_path / "other.pem"
    stranger.write_bytes(self_signed("localhost")[1])
    done = tables.check(first, tables.uri(authorities=stranger))
    assert done.returncode != 0
    assert "certificate verify failed" in done.stderr


def test_a_server_of_another_name_is_refused(tables: Tables, first: str) -> None:
    done = tables.check(first, tables.uri(host="127.0.0.1"))
    assert done.returncode != 0
    assert "does not match host name" in done.stderr


def test_a_changed_password_fails_the_check_while_old_connections_stay(
    tables: Tables, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a task is replaced, not cut off; see `stacks.registry_server.healthy`."""
    monkeypatch.setitem(os.environ, "PGPASSWORD", first)
    engine = sqlalchemy.create_engine(tables.uri())
    second = secrets.token_hex(20)
    with engine.connect() as held:
        held.execute(sqlalchemy.text(f"ALTER USER registry PASSWORD '{second}'"))
        held.commit()
        failed = tables.check(first)
        assert failed.returncode != 0
        assert "password authentication failed" in failed.stderr
        assert tables.check(second).returncode == 0
        assert held.execute(sqlalchemy.text("SELECT 1")).scalar() == 1
    engine.dispose()
