"""Versions of a model, against a real MLflow server on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from mlflow import MlflowClient

from landfall import aws, registry
from landfall.errors import IntegrityError, InvalidInput, LandfallError, Unreachable
from landfall.model.classification import Classification
from landfall.registry import Card, Compliance, ModelVersion
from rehearsal.services import BUCKET, Ports, Services

CARD = Card(
    parameters=12,
    precision="float32",
    data_digest="d" * 64,
    trained_on=date(2026, 11, 21),
    classification=Classification.RESTRICTED,
)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    running = Services(
        state=tmp_path_factory.mktemp("services"), ports=Ports(aws=25556, registry=25557)
    )
    running.start()
    try:
        running.wait()
        yield running
    finally:
        running.stop()


@pytest.fixture
def uri(services: Services) -> str:
    return services.tracking_uri


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of its own for every test."""
    made = tmp_path / "model"
    (made / "deep").mkdir(parents=True)
    (made / "weights.bin").write_bytes(b"w" * 1000)
    (made / "deep" / "config.json").write_text(str(tmp_path))
    return made


def register(folder: Path, uri: str, name: str, card: Card = CARD) -> ModelVersion:
    return registry.register(
        folder,
        name,
        tracking_uri=uri,
        tags=card.tags(),
        metrics={"perplexity": 1.5},
        params={"steps": "10"},
    )


def test_the_digest_covers_names_and_bytes(folder: Path) -> None:
    seen = {registry.content_digest(folder)}
    (folder / "weights.bin").rename(folder / "w.bin")
    seen.add(registry.content_digest(folder))
    (folder / "w.bin").write_bytes(b"w" * 999 + b"x")
    seen.add(registry.content_digest(folder))
    (folder / "more").write_bytes(b"")
    seen.add(registry.content_digest(folder))
    assert len(seen) == 4


def test_a_link_is_no_part_of_a_model(folder: Path) -> None:
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(InvalidInput, match="link: is neither a file nor a folder"):
        registry.content_digest(folder)


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no files"):
        registry.content_digest(tmp_path)


def test_nobody_there(folder: Path) -> None:
    with pytest.raises(Unreachable, match=r"register m: the registry at http://127\.0\.0\.1:9"):
        register(folder, "http://127.0.0.1:9", "m")


@pytest.mark.parametrize("uri", ["", "sqlite:///x", "/tmp/x"])
def test_only_a_server_is_a_registry(folder: Path, uri: str) -> None:
    with pytest.raises(InvalidInput, match="must be an http or https address"):
        register(folder, uri, "m")


@pytest.mark.services
def test_the_same_bytes_are_one_version(
    folder: Path, uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = register(folder, uri, "same")
    assert capsys.readouterr().out == ""
    again = register(folder, uri, "same", replace(CARD, compliance=Compliance.APPROVED))
    assert (first.version, again.version) == (1, 1)
    assert first.tags["compliance"] == "unreviewed"
    assert again.tags["compliance"] == "approved"
    (folder / "weights.bin").write_bytes(b"other")
    assert register(folder, uri, "same").version == 2


@pytest.mark.services
def test_tags_say_what_a_version_is(folder: Path, uri: str) -> None:
    found = register(folder, uri, "tagged")
    assert found.uri == "models:/tagged/1"
    assert found.tags == {
        "parameters": "12",
        "precision": "float32",
        "data_digest": "d" * 64,
        "trained_on": "2026-11-21",
        "compliance": "unreviewed",
        "classification": "restricted",
        "bytes": str(1000 + len(str(folder.parent))),
        "content_digest": registry.content_digest(folder),
    }
    registry.tag(found, "approved_by", "somebody", tracking_uri=uri)
    assert registry.resolve("tagged", 1, tracking_uri=uri).tags["approved_by"] == "somebody"
    with pytest.raises(InvalidInput, match="is set by register alone"):
        registry.tag(found, "content_digest", "0", tracking_uri=uri)


@pytest.mark.services
def test_an_alias_moves(folder: Path, uri: str) -> None:
    first = register(folder, uri, "moving")
    (folder / "weights.bin").write_bytes(b"other")
    second = register(folder, uri, "moving")
    for version in (first, second, second):
        registry.set_alias(version, "production", tracking_uri=uri)
    found = registry.resolve("moving", "production", tracking_uri=uri)
    assert found.version == 2
    assert found.aliases == ("production",)
    assert registry.resolve("moving", "1", tracking_uri=uri).aliases == ()


@pytest.mark.services
@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("staging", "model present has no alias 'staging'"),
        (7, "model present has no version '7'"),
    ],
)
def test_what_is_not_there_is_named(
    folder: Path, uri: str, wanted: int | str, message: str
) -> None:
    register(folder, uri, "present")
    with pytest.raises(LandfallError, match=message) as caught:
        registry.resolve("present", wanted, tracking_uri=uri)
    assert "versions 1" in str(caught.value)
    with pytest.raises(LandfallError, match="it has no versions"):
        registry.resolve("absent", wanted, tracking_uri=uri)


@pytest.mark.services
def test_a_download_is_whole(folder: Path, uri: str, tmp_path: Path) -> None:
    version = register(folder, uri, "whole")
    to = tmp_path / "got" / "model"
    assert registry.download(version, to, tracking_uri=uri) == to
    assert registry.content_digest(to) == registry.content_digest(folder)
    assert registry.download(version, to, tracking_uri=uri) == to
    assert [path.name for path in to.parent.iterdir()] == ["model"]
    (to / "weights.bin").write_bytes(b"")
    with pytest.raises(IntegrityError, match="holds something else"):
        registry.download(version, to, tracking_uri=uri)


@pytest.mark.services
def test_a_download_goes_on_where_it_was_cut_off(
    folder: Path, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register(folder, uri, "cut")
    part = tmp_path / "got.part"
    (part / "deep").mkdir(parents=True)
    (part / "deep" / "config.json").write_text(str(tmp_path))
    (part / "weights.bin").write_bytes(b"w" * 10)
    (part / "old.bin").write_bytes(b"of another version")
    fetched: list[str] = []
    original: Callable[..., str] = MlflowClient.download_artifacts

    def spy(client: object, run: str, path: str, to: str) -> str:
        fetched.append(path)
        return original(client, run, path, to)

    monkeypatch.setattr(MlflowClient, "download_artifacts", spy)
    registry.download(version, tmp_path / "got", tracking_uri=uri)
    assert fetched == ["model/weights.bin"]
    assert registry.content_digest(tmp_path / "got") == registry.content_digest(folder)


@pytest.mark.services
def test_changed_bytes_are_refused(
    folder: Path, uri: str, services: Services, tmp_path: Path
) -> None:
    version = register(folder, uri, "changed")
    everything = aws.list_objects(aws.Location(bucket=BUCKET, key=""), via=services.access)
    (weights,) = (
        each.location
        for each in everything
        if version.run in each.location.key and each.location.key.endswith("weights.bin")
    )
    aws.put_object(weights, b"x" * 1000, via=services.access)
    with pytest.raises(IntegrityError, match="models:/changed/1"):
        registry.download(version, tmp_path / "got", tracking_uri=uri)
    assert not list(tmp_path.glob("got*"))


@pytest.mark.services
def test_lost_files_are_noticed(folder: Path, uri: str, services: Services, tmp_path: Path) -> None:
    version = replace(register(folder, uri, "lost"), run=_empty_run(uri))
    with pytest.raises(IntegrityError, match="models:/lost/1: the registry has lost its files"):
        registry.download(version, tmp_path / "got", tracking_uri=uri)


def _empty_run(uri: str) -> str:
    client = MlflowClient(tracking_uri=uri)
    return str(client.create_run(client.create_experiment("empty")).info.run_id)


@pytest.mark.services
def test_a_version_without_a_digest_is_refused(folder: Path, uri: str, tmp_path: Path) -> None:
    version = replace(register(folder, uri, "bare"), tags={})
    with pytest.raises(IntegrityError, match="carries no tag content_digest"):
        registry.download(version, tmp_path / "got", tracking_uri=uri)
