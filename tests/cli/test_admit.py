"""What is admitted goes into a bucket or a folder; what is not does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from landfall import aws
from landfall.aws import Access, Location
from landfall.cli.flow import intake
from landfall.cli.main import app
from landfall.errors import IntegrityError, InvalidInput, LandfallError, UsageError
from landfall.model import manifest
from landfall.model.admission import Destination

TODAY = datetime.now(UTC).date()
FILES = {"a.csv": b"one", "deep/b.csv": b"two", "empty": b""}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "claims"
    for name, body in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return folder


@pytest.fixture
def record(tmp_path: Path, data: Path) -> Path:
    return write(tmp_path, data)


def write(root: Path, data: Path, **changes: Any) -> Path:
    """A record of `data` that admits it to both halves."""
    value = {
        "name": "claims",
        "source": "a test",
        "digest": f"sha256:{manifest.read(data).digest}",
        "licence": "MIT",
        "classification": "internal",
        "destinations": ["cloud", "site"],
        "personal_data": False,
        "lawful_basis": "not_personal_data",
        "scan": {"tool": "t", "date": TODAY, "result": "clean"},
        "admitted": TODAY,
        "retention_days": 10,
        "author": "ada",
        "approvers": ["grace", "katherine"],
    }
    path = root / "admissions" / "dataset" / "claims.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"admission": {**value, **changes}}))
    return path


def landfall(*words: object) -> Result:
    return CliRunner().invoke(app, ["admit", *map(str, words)], catch_exceptions=True)


def below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_into_a_folder_of_the_site(record: Path, data: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = landfall(record, data, "--to", "site", "--folder", site, "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["entered"] | {"place": ""} == {"place": "", "written": 3, "kept": 0}
    place = Path(told["entered"]["place"])
    assert place.relative_to(site).parts[:3] == ("admitted", "dataset", "claims")
    assert below(place / "data") == FILES
    mark = json.loads((place / "admission.json").read_text())
    assert mark["admission"]["digest"] == told["digest"]
    assert [each["name"] for each in mark["files"]] == sorted(FILES)
    again = landfall(record, data, "--to", "site", "--folder", site, "--json")
    assert json.loads(again.stdout)["entered"]["kept"] == 3


def test_a_copy_goes_on_and_repairs(record: Path, data: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    ready = intake.plan(record, data, Destination.SITE)
    place = site / ready.place
    (place / "data").mkdir(parents=True)
    (place / "data" / "a.csv").write_bytes(FILES["a.csv"])
    (place / "data" / ".deep").write_bytes(b"")
    (place / "data" / "empty").write_bytes(b"damaged")
    (place / "data" / ".empty.part").write_bytes(b"cut off")
    with pytest.raises(IntegrityError, match=r"holds 1 files that dataset/claims does not admit"):
        intake.to_folder(ready, site, print)
    assert not (place / "admission.json").exists()
    (place / "data" / ".deep").unlink()
    assert intake.to_folder(ready, site, print).kept == 3
    assert below(place / "data") == FILES


def test_a_file_that_changes_meanwhile_is_noticed(record: Path, data: Path, tmp_path: Path) -> None:
    ready = intake.plan(record, data, Destination.SITE)
    (data / "deep/b.csv").write_bytes(b"2")
    with pytest.raises(IntegrityError, match=r"deep/b\.csv has changed"):
        intake.to_folder(ready, tmp_path / "site", print)
    assert set(below(tmp_path / "site" / ready.place)) == {"data/a.csv"}


def test_nothing_is_written_without_a_place(record: Path, data: Path, tmp_path: Path) -> None:
    before = below(tmp_path)
    done = landfall(record, data, "--to", "cloud", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["entered"] is None
    assert below(tmp_path) == before


@pytest.mark.parametrize(
    ("changes", "words", "error", "message"),
    [
        ({"destinations": ["site"]}, [], InvalidInput, "dataset/claims may enter site, not cloud"),
        (
            {"classification": "restricted"},
            [],
            InvalidInput,
            "restricted data has no way into the cloud",
        ),
        (
            {
                "admitted": TODAY - timedelta(days=11),
                "scan": {"tool": "t", "date": "2020-01-01", "result": "clean"},
            },
            [],
            InvalidInput,
            "retention_days: ended on",
        ),
        ({"digest": "sha256:" + "0" * 64}, [], IntegrityError, "is not what dataset/claims admits"),
        ({}, ["--folder", "x"], UsageError, "--bucket goes with --to cloud"),
    ],
)
def test_what_does_not_enter(
    tmp_path: Path,
    data: Path,
    changes: dict[str, Any],
    words: list[str],
    error: type[LandfallError],
    message: str,
) -> None:
    done = landfall(write(tmp_path, data, **changes), data, "--to", "cloud", *words)
    assert isinstance(done.exception, error)
    assert message in str(done.exception)


def test_nothing_enters_without_a_record(data: Path, tmp_path: Path) -> None:
    done = landfall(tmp_path / "absent.yaml", data, "--to", "site", "--folder", tmp_path / "site")
    assert isinstance(done.exception, InvalidInput)
    assert not (tmp_path / "site").exists()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Access]:
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    access = Access(
        endpoint=f"http://{host}:{port}", region="eu-central-1", access_key="a", secret_key="b"
    )
    for name, value in {
        "AWS_ENDPOINT_URL": access.endpoint,
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }.items():
        monkeypatch.setenv(name, str(value))
    aws._client.cache_clear()  # the command finds its endpoint as boto3 does, once
    aws.ensure_bucket("data-bucket", via=access)
    yield access
    server.stop()
    aws._client.cache_clear()


@pytest.mark.services
def test_into_a_bucket_of_the_cloud(record: Path, data: Path, tmp_path: Path, s3: Access) -> None:
    words = (data, "--to", "cloud", "--bucket", "data-bucket", "--json")
    done = landfall(record, *words)
    assert done.exception is None
    told = json.loads(done.stdout)
    place = Location.parse(told["entered"]["place"])
    assert told["entered"]["written"] == 3
    for name, body in FILES.items():
        assert aws.get_object(place.below(f"data/{name}"), via=s3) == body
    mark = json.loads(aws.get_object(place.below("admission.json"), via=s3))
    assert mark["admission"]["name"] == "claims"
    wanted = {
        "landfall:admission": "dataset/claims",
        "landfall:classification": "internal",
        "landfall:digest": told["digest"],
    }
    found = aws.list_objects(place, via=s3)
    assert len(found) == 4
    for each in found:
        answer = aws._client("s3", s3).get_object_tagging(
            Bucket=each.location.bucket, Key=each.location.key
        )
        assert {tag["Key"]: tag["Value"] for tag in answer["TagSet"]} == wanted
    assert json.loads(landfall(record, *words).stdout)["entered"]["kept"] == 3


@pytest.mark.services
def test_what_was_cut_off_has_not_entered(record: Path, data: Path, s3: Access) -> None:
    aws.ensure_bucket("other-bucket", via=s3)  # moto forgets no bucket in one process
    ready = intake.plan(record, data, Destination.CLOUD)
    place = Location(bucket="other-bucket", key=ready.place)
    (data / "empty").write_bytes(b"no longer")
    with pytest.raises(IntegrityError, match="empty has changed"):
        intake.to_bucket(ready, "other-bucket", print, via=s3)
    keys = {each.location.key for each in aws.list_objects(place, via=s3)}
    assert keys == {f"{ready.place}/data/a.csv", f"{ready.place}/data/deep/b.csv"}
    (data / "empty").write_bytes(b"")
    assert intake.to_bucket(ready, "other-bucket", print, via=s3).written == 1
    assert aws.get_object(place.below("admission.json"), via=s3)
