"""All that is wrong with a configuration is told at once, with its path and what would be right."""

from __future__ import annotations

import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.errors import InvalidInput
from landfall.model.environment import ROOT, find, names
from stacks.settings import check_file, load
from stacks.settings.loading import file_configuration

CASES = tomllib.loads((Path(__file__).parent / "bad_input.toml").read_text())["case"]
PROD = find("prod")


def changed(written: dict[str, Any], edits: dict[str, Any]) -> dict[str, Any]:
    """The configuration with some keys changed or removed."""
    found = deepcopy(written)
    for path, value in edits.items():
        current: Any = found
        *way, last = path.split(".")
        for part in way:
            current = current[int(part)] if isinstance(current, list) else current[part]
        if value == "":
            del current[last]
        elif isinstance(current, list):
            current[int(last)] = value
        else:
            current[last] = value
    return found


@pytest.mark.parametrize("name", names())
def test_every_environment_of_the_repository_is_right(name: str) -> None:
    assert check_file(find(name)).settings.region


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_bad_input(case: dict[str, Any]) -> None:
    written = changed(dict(file_configuration(PROD)), case["set"])
    with pytest.raises(InvalidInput) as caught:
        load(PROD, written)
    told = [str(each) for each in caught.value.problems]
    for wanted in case["problems"]:
        assert any(wanted in each for each in told), (wanted, told)
    assert len(told) == len(case["problems"]), told


def test_the_site_and_the_configuration_are_told_together(tmp_path: Path) -> None:
    import shutil

    for name in ("inventories", "releases"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for path in ROOT.glob("Pulumi*.yaml"):
        shutil.copy(path, tmp_path)
    site = tmp_path / "inventories/prod/group_vars/all/site.yml"
    site.write_text(
        site.read_text()
        .replace("cloud_asn: 64530", "cloud_asn: 7224")
        .replace("169.254.30.0/30", "169.254.5.0/30")
    )
    environment = find("prod", tmp_path)
    with pytest.raises(InvalidInput) as caught:
        load(environment, changed(dict(file_configuration(environment)), {"protect": False}))
    text = str(caught.value)
    assert "site.link.cloud_asn: ASN 7224 is reserved by AWS" in text
    assert "169.254.5.0/30 is reserved by AWS; 169.254.10.0/30 is free" in text


@given(st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text(max_size=8)))
def test_nothing_that_is_written_ends_in_anything_but_problems(written: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        load(PROD, written)
