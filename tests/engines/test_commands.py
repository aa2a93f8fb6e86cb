"""`python -m engines`: signing and verifying by command, and whether a host fits."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from engines import manifest, sign
from engines.__main__ import main
from tests.engines import stored

SECRET = "correct horse"


def test_preflight_with_the_facts_of_another_host(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    about = {"target": "L40S", "container": f"trtllm@sha256:{'1' * 64}"}
    engine = stored.engine(tmp_path, **about)
    here = tmp_path / "facts.json"
    here.write_text(json.dumps({**stored.HOST, "gpus": ["NVIDIA A40"]}))
    assert main(["preflight", str(engine), "--facts", str(here)]) == 1
    told = capsys.readouterr().err
    assert "container: nothing here runs containers" in told
    assert "gpu: built for L40S; this host has NVIDIA A40" in told
    here.write_text(
        json.dumps({**stored.HOST, "gpus": ["NVIDIA L40S"], "container": "podman 4.3.1"})
    )
    assert main(["preflight", str(engine), "--facts", str(here)]) == 0
    assert json.loads(capsys.readouterr().out)["runs"]


def test_preflight_with_the_facts_of_this_host(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = stored.engine(tmp_path, parts={"target": "sparc64"})
    assert main(["preflight", str(engine), "--facts"]) == 1
    assert "machine: built for sparc64; this host is" in capsys.readouterr().err


@pytest.mark.slow
def test_signing_with_an_approver_and_a_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine, signature = stored.engine(tmp_path), tmp_path / "engine.sig"
    private, public = sign.generate_keys(tmp_path, password=SECRET.encode())
    reader, writer = os.pipe()
    os.write(writer, f"{SECRET}\n".encode())
    os.close(writer)
    words = ["--signature", str(signature), "--key", str(private), "--secret-fd", str(reader)]
    assert main(["sign", str(engine), *words, "--approver", "bo@b.example"]) == 0
    os.close(reader)
    assert manifest.read(engine).predicate.approver == "bo@b.example"
    check = ["verify", str(engine), "--signature", str(signature), "--key", str(public)]
    capsys.readouterr()
    assert main(check) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verified"]
    assert told["signer"].startswith("key ")
    path = engine / manifest.FILE
    path.write_text(path.read_text().replace("bo@b.example", "eve@e.example"))
    assert main(check) == 1
    assert "not what was signed" in capsys.readouterr().err


@pytest.mark.slow
def test_a_damaged_engine_is_not_signed(tmp_path: Path) -> None:
    engine, signature = stored.engine(tmp_path), tmp_path / "engine.sig"
    private, _ = sign.generate_keys(tmp_path)
    (engine / "model.onnx").write_text("x")
    assert main(["sign", str(engine), "--signature", str(signature), "--key", str(private)]) == 1
    assert not signature.exists()


def test_a_token_needs_its_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = stored.engine(tmp_path)
    words = ["--signature", str(tmp_path / "s"), "--token", "pkcs11:token=a;object=b"]
    assert main(["sign", str(engine), *words]) == 2
    assert "--module: is needed" in capsys.readouterr().err
