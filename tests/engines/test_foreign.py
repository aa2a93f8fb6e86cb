"""Formats that engines are not made from: told by name and by content, with the conversion."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest

from engines import foreign, source
from landfall.errors import InvalidInput
from landfall.model.classification import Classification


@pytest.mark.parametrize(
    ("path", "kind", "command"),
    [
        ("models/a.pt", "TorchScript", "torch.jit.load('models/a.pt')"),
        ("models/a.torchscript", "TorchScript", "torch.onnx.export"),
        ("models/pytorch_model.bin", "a pickle", "safe_serialization=True"),
        ("models/a.PKL", "a pickle", "save_pretrained"),
        ("models/a/saved_model.pb", "SavedModel", "tf2onnx.convert --saved-model"),
    ],
)
def test_a_name_can_say_enough(path: str, kind: str, command: str) -> None:
    told = foreign.by_name(path)
    assert told.startswith(f"{path} is {kind}, of which no engine is made")
    assert command in told


@pytest.mark.parametrize("path", ["models/llama-3.1-8b", "model.onnx", "models/v1.5"])
def test_other_names_say_nothing(path: str) -> None:
    assert foreign.by_name(path) == ""


def archive(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as made:
        for name in names:
            made.writestr(name, b"x")


def test_content_tells_what_a_name_cannot(tmp_path: Path) -> None:
    archive(tmp_path / "model.bin", "archive/code/__torch__.py", "archive/constants.pkl")
    assert "is TorchScript" in foreign.by_content(tmp_path)
    archive(tmp_path / "model.bin", "archive/data.pkl", "archive/data/0")
    assert "is a pickle" in foreign.by_content(tmp_path)
    (tmp_path / "model.bin").write_bytes(pickle.dumps({"w": 1}))
    assert "is a pickle" in foreign.by_content(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert foreign.by_content(tmp_path) == ""
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert "is SavedModel" in foreign.by_content(tmp_path)


def test_a_source_of_such_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"w": 1}))
    with pytest.raises(InvalidInput, match="loading it runs its code"):
        source.read(tmp_path, name="m", version="1", classification=Classification.PUBLIC)
