"""The backend of a state on this machine."""

from __future__ import annotations

from pathlib import Path

from stacks.state import ATOMIC, folder_of, local


def test_a_folder_is_found_again_in_its_url(tmp_path: Path) -> None:
    assert folder_of(local(tmp_path)) == tmp_path
    assert folder_of(f"file://{tmp_path}") == tmp_path


def test_a_shared_backend_has_no_folder() -> None:
    assert folder_of("s3://bucket?region=eu-central-1") is None
    assert folder_of("") is None


def test_the_project_and_the_rehearsals_write_no_attributes(tmp_path: Path) -> None:
    project = Path(__file__).parents[2] / "Pulumi.yaml"
    assert ATOMIC in local(tmp_path)
    assert ATOMIC in project.read_text()
