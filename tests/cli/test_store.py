"""The store by command: what the releases need stays, and a broken release stops everything."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engines import sign
from engines.store import Store
from landfall import process
from landfall.cli import engine_store
from landfall.cli.flow import claims, store
from landfall.cli.main import app
from landfall.errors import IntegrityError, InvalidInput, Refused
from landfall.model.environment import Environment
from tests.engines import stored

LONG_AGO = 1_700_000_000


def git(root: Path, *words: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@a.example")
    process.run(["git", "-C", root, *identity, *words])


def write_release(path: Path, *letters: str, previous: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shares = [{"key": stored.key_of(each), "share": 100 // len(letters)} for each in letters]
    value = {"chat": {"engines": shares, **({"previous": previous * 64} if previous else {})}}
    path.write_text(json.dumps(value))


@pytest.fixture
def full(dev: Environment, tmp_path: Path) -> Environment:
    """dev with the engines a to f, all old."""
    (dev.root / "built").mkdir()
    for letter in "abcdef":
        entry = Store(dev.store).put(
            stored.engine(dev.root / "built", letter), stored.signature(tmp_path)
        )
        os.utime(entry.signature, (LONG_AGO, LONG_AGO))
    for path in dev.root.glob("releases/*.yaml"):
        path.unlink()
    return dev


def kept(environment: Environment, *, dry_run: bool = False) -> str:
    store.collect(environment, grace_days=14, dry_run=dry_run)
    return "".join(each.key[0] for each in Store(environment.store).entries())


def test_every_release_of_every_environment_counts(full: Environment) -> None:
    git(full.root, "init", "-q")
    write_release(full.root / "releases/prod.yaml", "a", previous="b")
    git(full.root, "add", "releases")
    git(full.root, "commit", "-qm", "x")
    write_release(full.root / "releases/prod.yaml", "c")  # edited, not committed
    write_release(full.root / "releases/staging.yaml", "d")
    write_release(full.local_release_file, "e")
    assert kept(full, dry_run=True) == "abcdef"
    assert kept(full) == "abcde"
    found = claims.claims(full.root)
    assert found[stored.key_of("b")] == ["releases/prod.yaml as committed: way back of chat"]
    assert found[stored.key_of("e")] == [".landfall/dev/releases.yaml: chat 100 %"]


def test_a_rehearsals_release_does_not_hide_the_committed_one(full: Environment) -> None:
    write_release(full.release_file, "a")
    write_release(full.local_release_file, "b")
    assert kept(full) == "ab"


@pytest.mark.parametrize("text", ["chat: {engines: []}", "chat: [", "chat: {engines: nonsense}"])
def test_a_release_that_cannot_be_read_stops_everything(full: Environment, text: str) -> None:
    (full.root / "releases/prod.yaml").write_text(text)
    with pytest.raises(InvalidInput, match=r"prod\.yaml"):
        kept(full)
    assert len(Store(full.store).entries()) == 6


def run(monkeypatch: pytest.MonkeyPatch, environment: Environment, *words: str) -> tuple[int, str]:
    monkeypatch.setattr(engine_store, "find", lambda _: environment)
    done = CliRunner().invoke(app, ["engine", *words], catch_exceptions=False)
    return done.exit_code, done.stdout


def test_what_gc_shows(full: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    write_release(full.release_file, "a")
    assert run(monkeypatch, full, "pin", "bbbb", "--reason", "audit") == (0, "")
    _, text = run(monkeypatch, full, "gc", "--dry-run", "--json")
    rows = {row["key"][0]: row for row in json.loads(text)}
    assert rows["a"]["why"] == "releases/dev.yaml: chat 100 %"
    assert (rows["b"]["fate"], rows["b"]["why"]) == ("kept", "pinned: audit")
    assert (rows["c"]["fate"], rows["c"]["name"]) == ("would be removed", "tiny-lm")
    _, text = run(monkeypatch, full, "gc")
    assert "4 of 6 engines, 0.0 MB freed" in text
    assert run(monkeypatch, full, "unpin", "bbbb") == (0, "")
    assert kept(full) == "a"


@pytest.mark.parametrize("how", ["--full", "--quick"])
def test_a_damaged_engine_is_named(
    how: str, full: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, full, "verify", how)[0] == 0
    (Store(full.store).entries()[2].engine / "model.onnx").write_text("x")
    code, text = run(monkeypatch, full, "verify", how, "--json")
    wrong = {row["key"][0]: row["wrong"] for row in json.loads(text) if row["wrong"]}
    assert code == 1
    assert list(wrong) == ["c"]
    assert "model.onnx differs" in wrong["c"]
    assert run(monkeypatch, full, "verify", how, "aaaa")[0] == 0


@pytest.mark.slow
def test_a_signed_engine_is_taken_in(dev: Environment, tmp_path: Path) -> None:
    private, _ = sign.generate_keys(dev.keys)
    engine = stored.engine(tmp_path, built_by="build-1")
    sign.sign(engine, tmp_path / "engine.sig", private)
    assert store.receive(dev, engine, tmp_path / "engine.sig").key == stored.key_of("a")
    _, stranger = sign.generate_keys(tmp_path / "stranger")
    stranger.replace(dev.keys / sign.PUBLIC_KEY)
    with pytest.raises(IntegrityError, match="Key mismatch"):
        store.receive(dev, engine, tmp_path / "engine.sig")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"built_by": ""}, "nobody is known who built"),
        ({"gates": ({"name": "latency", "outcome": "not run"},)}, r"latency \(not run\)"),
        ({"quality": None}, "none ran"),
    ],
)
def test_what_prod_does_not_take_in(
    checkout: Path, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    prod = Environment(name="prod", root=checkout)
    private, _ = sign.generate_keys(prod.keys)
    engine = stored.engine(tmp_path, **changes)
    sign.sign(engine, tmp_path / "engine.sig", private)
    with pytest.raises(Refused, match=reason):
        store.receive(prod, engine, tmp_path / "engine.sig")
    assert Store(prod.store).entries() == []


@pytest.mark.parametrize("prefix", ["abc", "zzzz", "0000"])
def test_a_prefix_that_names_nothing(full: Environment, prefix: str) -> None:
    with pytest.raises(InvalidInput, match="key: "):
        Store(full.store).find(prefix)
