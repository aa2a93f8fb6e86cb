"""The real MLflow, started exactly as the registry's task starts it, but for where its tables are.

SQLite stands in for PostgreSQL and a folder for the bucket; command, environment and configuration
are those of the task definition.
"""

from __future__ import annotations

import os
import secrets
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from landfall import process
from stacks import registry_server
from stacks.registry_server import ADMINISTRATOR, Server
from tests.loopback import free_port

pytest.importorskip("flask_wtf", reason="MLflow's authentication needs Flask-WTF (mlflow[auth])")

pytestmark = pytest.mark.cloud

NAME = "registry.ml.site.example"
OLD_DEFAULT = "password1234"
"""What MLflow itself once shipped as the first user's password."""

START_S = 90.0


def task(folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """The command and the environment of the task definition, for a folder of this machine."""
    server = Server(
        name=NAME,
        database=f"sqlite:///{folder}/tables.sqlite",
        artifacts=str(folder / "artifacts"),
        workers=1,
    )
    command = registry_server.command(server, folder=str(folder), port=port)
    command[command.index("0.0.0.0")] = "127.0.0.1"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return command, {**registry_server.environment(server, folder=str(folder)), "PATH": path}


@dataclass(frozen=True)
class Registry:
    """A registry that answers, and one user that its administrator has made."""

    port: int
    folder: Path
    password: str

    def client(self, user: str | None = None, password: str = "") -> httpx.Client:
        """A client as `user`, which knows the server by the certificate that it made."""
        trusted = ssl.create_default_context(cafile=str(self.folder / "certificate.pem"))
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}",
            headers={"Host": NAME},
            verify=trusted,
            auth=(user, password) if user else None,
            trust_env=False,
            timeout=30.0,
        )

    def ask(
        self, method: str, path: str, user: str | None = None, password: str = "", **more: Any
    ) -> httpx.Response:
        with self.client(user, password) as client:
            return client.request(
                method, f"/api/2.0{path}", extensions={"sni_hostname": NAME}, **more
            )

    def administer(self, method: str, path: str, **more: Any) -> Any:
        answer = self.ask(method, path, ADMINISTRATOR, self.password, **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("registry")
    found = Registry(free_port(), folder, secrets.token_hex(20))
    command, environment = task(folder, found.port)
    environment |= {
        "MLFLOW_AUTH_ADMIN_PASSWORD": found.password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(20),
    }
    record, log = folder / "daemon.json", folder / "log"
    process.spawn(command, name="registry", record=record, log=log, env=environment)
    try:
        assert process.wait_until(lambda: healthy(found), timeout_s=START_S), log.read_text()
        yield found
    finally:
        process.stop(record)


def healthy(registry: Registry) -> bool:
    try:
        with registry.client() as client:
            answer = client.get(registry_server.HEALTH, extensions={"sni_hostname": NAME})
            return answer.status_code == httpx.codes.OK
    except (httpx.TransportError, FileNotFoundError, ssl.SSLError):
        return False


@pytest.fixture(scope="module")
def model(registry: Registry) -> str:
    """A model with a version and a file, which the administrator made."""
    administer = registry.administer
    experiment = administer("POST", "/mlflow/experiments/create", json={"name": "tiny"})
    run = administer(
        "POST", "/mlflow/runs/create", json={"experiment_id": experiment["experiment_id"]}
    )["run"]["info"]
    place = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    administer("PUT", f"/mlflow-artifacts/artifacts/{place}/weights", content=b"weights")
    administer("POST", "/mlflow/registered-models/create", json={"name": "tiny"})
    administer(
        "POST",
        "/mlflow/model-versions/create",
        json={"name": "tiny", "source": run["artifact_uri"], "run_id": run["run_id"]},
    )
    return str(place)


@pytest.fixture(scope="module")
def colleague(registry: Registry, model: str) -> tuple[str, str]:
    """An ordinary user, with whatever a user gets by default."""
    user, password = "colleague", secrets.token_hex(20)
    registry.administer(
        "POST", "/mlflow/users/create", json={"username": user, "password": password}
    )
    return user, password


MODEL = "/mlflow/registered-models/get?name=tiny"
VERSION = "/mlflow/model-versions/get?name=tiny&version=1"
ALIAS = "/mlflow/registered-models/alias?name=tiny&alias=production"
RUNS = "/mlflow/experiments/get-by-name?experiment_name=tiny"


@pytest.mark.parametrize("path", [MODEL, VERSION, RUNS, "/mlflow/users/current"])
def test_nobody_gets_in_without_a_user(registry: Registry, model: str, path: str) -> None:
    assert registry.ask("GET", path).status_code == httpx.codes.UNAUTHORIZED


@pytest.mark.parametrize("user", ["admin", ADMINISTRATOR])
def test_the_old_default_password_is_refused(registry: Registry, model: str, user: str) -> None:
    answer = registry.ask("GET", MODEL, user, OLD_DEFAULT)
    assert answer.status_code == httpx.codes.UNAUTHORIZED
    assert registry.ask("GET", MODEL, ADMINISTRATOR, registry.password).is_success


@pytest.mark.parametrize("path", [MODEL, VERSION, RUNS])
def test_a_user_reads_nothing_by_default(
    registry: Registry, colleague: tuple[str, str], path: str
) -> None:
    answer = registry.ask("GET", path, *colleague)
    assert answer.status_code == httpx.codes.FORBIDDEN, answer.text


def test_a_user_does_not_see_names_by_default(
    registry: Registry, colleague: tuple[str, str]
) -> None:
    answer = registry.ask("GET", "/mlflow/registered-models/search", *colleague)
    assert answer.is_success
    assert "tiny" not in answer.text
    seen = registry.administer("GET", "/mlflow/registered-models/search")
    assert [each["name"] for each in seen["registered_models"]] == ["tiny"]


def test_a_user_fetches_no_file_by_default(
    registry: Registry, model: str, colleague: tuple[str, str]
) -> None:
    path = f"/mlflow-artifacts/artifacts/{model}/weights"
    answer = registry.ask("GET", path, *colleague)
    assert answer.status_code == httpx.codes.FORBIDDEN, answer.text
    mine = registry.ask("GET", path, ADMINISTRATOR, registry.password)
    assert mine.content == b"weights"


def test_an_alias_grants_nothing(
    registry: Registry, model: str, colleague: tuple[str, str]
) -> None:
    wanted = {"name": "tiny", "alias": "production", "version": "1"}
    path = "/mlflow/registered-models/alias"
    refused = registry.ask("POST", path, *colleague, json=wanted)
    assert refused.status_code == httpx.codes.FORBIDDEN
    registry.administer("POST", path, json=wanted)
    assert registry.administer("GET", ALIAS)["model_version"]["version"] == "1"
    for each in (ALIAS, MODEL, VERSION, f"/mlflow-artifacts/artifacts/{model}/weights"):
        answer = registry.ask("GET", each, *colleague)
        assert answer.status_code == httpx.codes.FORBIDDEN, each


def test_a_request_for_another_name_is_refused(registry: Registry) -> None:
    """A page whose name was bound to our address gets nowhere."""
    with registry.client(ADMINISTRATOR, registry.password) as client:
        answer = client.get(
            "/api/2.0" + MODEL,
            headers={"Host": "elsewhere.example"},
            extensions={"sni_hostname": NAME},
        )
    assert answer.status_code == httpx.codes.FORBIDDEN


def test_what_is_written_is_for_its_owner_and_holds_no_password(registry: Registry) -> None:
    for name in ("basic_auth.ini", "key.pem", "certificate.pem"):
        path = registry.folder / name
        assert path.stat().st_mode & 0o777 == 0o600
        assert registry.password not in path.read_text()
    assert registry.password not in (registry.folder / "log").read_text()


@pytest.mark.parametrize("password", ["", OLD_DEFAULT])
def test_it_does_not_start_without_a_password_of_its_own(tmp_path: Path, password: str) -> None:
    command, environment = task(tmp_path, free_port())
    environment |= {
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "x" * 40,
    }
    done = process.run(command, env=environment, timeout_s=START_S, check=False)
    assert done.returncode != 0
    assert "password" in done.stderr
