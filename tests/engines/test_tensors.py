"""Safetensors: what is whole passes, what was cut or changed is refused with its tensor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from engines import tensors

ARRAYS: dict[str, npt.NDArray[Any]] = {
    "embed": np.ones((4, 8), np.float32),
    "norm": np.ones(8, np.float16),
    "bytes": np.ones((3, 3), np.uint8),
}
WHOLE = save(ARRAYS)
START = 8 + int.from_bytes(WHOLE[:8], "little")


def told(folder: Path, content: bytes) -> list[str]:
    path = folder / "model.safetensors"
    path.write_bytes(content)
    return [str(each) for each in tensors.problems(path)]


def with_header(header: object, numbers: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def header() -> dict[str, dict[str, object]]:
    value: dict[str, dict[str, object]] = json.loads(WHOLE[8:START])
    return value


def test_what_the_library_wrote_is_whole(tmp_path: Path) -> None:
    assert told(tmp_path, WHOLE) == []
    assert tensors.names(tmp_path / "model.safetensors") == set(ARRAYS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_was_cut_anywhere_is_refused(tmp_path: Path, length: int) -> None:
    found = told(tmp_path, WHOLE[:length])
    assert found
    if length > START:
        assert any(name in found[0] for name in ARRAYS)
        assert "it is truncated" in found[0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail_in_another_way(tmp_path: Path, content: bytes) -> None:
    assert told(tmp_path, content)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"shape": [4, 9]}, "embed: of shape [4, 9] in F32 takes 144 bytes, not 128"),
        ({"dtype": "F16"}, "embed: of shape [4, 8] in F16 takes 64 bytes, not 128"),
        ({"dtype": "X9"}, "embed: has numbers of a type that is not known here: 'X9'"),
        ({"data_offsets": [0]}, "embed: its entry has no type, shape and offsets"),
        ({"shape": [-4, 8]}, "embed: its shape or offsets are no whole numbers"),
        ({"data_offsets": [4, 132]}, "embed: begins at offset 4, where 0 was expected"),
    ],
)
def test_an_entry_that_was_altered_is_named(
    change: dict[str, object], expected: str, tmp_path: Path
) -> None:
    value = header()
    value["embed"] |= change
    found = told(tmp_path, with_header(value, WHOLE[START:]))
    assert any(f"model.safetensors: {expected}" in each for each in found), found


def test_what_is_hidden_behind_the_last_tensor_is_found(tmp_path: Path) -> None:
    [found] = told(tmp_path, WHOLE + b"\0" * 7)
    assert "has 7 bytes after its last tensor" in found


def test_a_pickle_with_the_right_name_is_no_such_file(tmp_path: Path) -> None:
    [found] = told(tmp_path, b"\x80\x04\x95" + b"\0" * 100)
    assert "no safetensors file" in found
