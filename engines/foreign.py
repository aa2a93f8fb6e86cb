"""Models in formats that engines are not made from, and how to convert them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

TORCHSCRIPT, SAVED_MODEL, PICKLE = "TorchScript", "SavedModel", "a pickle"

CONVERSION: Mapping[str, str] = {
    TORCHSCRIPT: (
        "convert it to ONNX where its author is trusted, since loading it runs its code:\n"
        "    python3 -c \"import torch; m = torch.jit.load('{path}'); "
        "torch.onnx.export(m, (torch.zeros(1, 8, dtype=torch.long),), 'model.onnx', dynamo=False)\""
    ),
    SAVED_MODEL: (
        "convert it to ONNX:\n"
        "    python3 -m tf2onnx.convert --saved-model {path} --output model.onnx"
    ),
    PICKLE: (
        "save it as safetensors where its author is trusted, since loading it runs its code:\n"
        '    python3 -c "from transformers import AutoModelForCausalLM as M; '
        "M.from_pretrained('{path}').save_pretrained('model', safe_serialization=True)\""
    ),
}
"""PyTorch's torch.onnx.export (the exporter that takes ScriptModules is the one without dynamo),
tf2onnx's command line, and transformers' save_pretrained."""

SUFFIXES: Mapping[str, str] = {
    ".ts": TORCHSCRIPT,
    ".torchscript": TORCHSCRIPT,
    ".pt": TORCHSCRIPT,
    ".pth": PICKLE,
    ".pkl": PICKLE,
    ".pickle": PICKLE,
    ".joblib": PICKLE,
    ".bin": PICKLE,
    ".ckpt": PICKLE,
    ".pb": SAVED_MODEL,
}
"""What a name alone says."""


def by_name(path: str) -> str:
    """Why the file `path` is no source, by its name alone; empty where nothing is wrong."""
    kind = SUFFIXES.get(PurePosixPath(path).suffix.lower(), "")
    return _told(kind, path) if kind else ""


def by_content(folder: Path) -> str:
    """Why the files in `folder` are no source; empty where nothing is wrong."""
    if (folder / "saved_model.pb").exists():
        return _told(SAVED_MODEL, str(folder))
    if any(folder.glob("*.safetensors")):
        return ""
    for path in sorted(folder.iterdir()):
        if SUFFIXES.get(path.suffix.lower()) in {PICKLE, TORCHSCRIPT} and path.is_file():
            kind = _torch(path)
            return _told(kind, str(path if kind == TORCHSCRIPT else folder))
    return ""


def _torch(path: Path) -> str:
    """TorchScript is an archive with code in it; a pickle of weights has none."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any("/code/" in name for name in archive.namelist()):
                return TORCHSCRIPT
    return PICKLE


def _told(kind: str, path: str) -> str:
    return f"{path} is {kind}, of which no engine is made; {CONVERSION[kind].format(path=path)}"
