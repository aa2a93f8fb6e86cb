"""A stack for a test's own program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stacks.offline import OfflineCloud
from tests.stacks.offline.rehearsed import Rehearsal


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    folder = tmp_path / "state"
    folder.mkdir()
    with OfflineCloud(root=tmp_path) as cloud:
        yield Rehearsal(folder, cloud)
