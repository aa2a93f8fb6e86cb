"""What hosts install, published for a site: complete folders, and nothing half-done."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from landfall.cli.flow import mirror
from landfall.errors import Refused, UsageError
from landfall.model.environment import ROOT, Environment, find

URL = "http://10.64.20.5/landfall"


def staging(root: Path) -> Environment:
    return Environment(name="staging", root=root)


@pytest.mark.services
def test_wheels_and_packages_are_published_and_noted(tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    environment = staging(tmp_path)
    made = mirror.publish(environment, folder, URL + "/", print, names=["mdadm"])

    noted = json.loads(environment.wheelhouse_file.read_text())
    assert noted["url"] == f"{URL}/{made.wheels.name}/"
    assert made.wheels.name.endswith(noted["digest"])
    wanted = re.findall(r"sha256:([0-9a-f]{64})", (made.wheels / "requirements.txt").read_text())
    there = [hashlib.sha256(path.read_bytes()).hexdigest() for path in made.wheels.glob("*.whl")]
    assert sorted(wanted) == sorted(there)

    index = (folder / "apt/Packages").read_text()
    assert "Package: mdadm\n" in index
    for name, digest in re.findall(r"^Filename: (\S+)$.*?^SHA256: (\w+)$", index, re.M | re.S)[:5]:
        assert hashlib.sha256((folder / "apt" / name).read_bytes()).hexdigest() == digest
    assert made.key.exists()
    assert not list(folder.glob(".*"))

    again = mirror.publish(environment, folder, URL, print, names=["mdadm"])
    assert again.wheels == made.wheels
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        {"apt", made.wheels.name, made.packages.name, again.packages.name}
    )


def test_a_rehearsal_publishes_for_itself(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="publishes for itself"):
        mirror.publish(find("dev", ROOT), tmp_path / "mirror", URL, print)
    assert not (tmp_path / "mirror").exists()


@pytest.mark.parametrize("url", ["10.64.20.5/landfall", "ftp://mirror/x", "http:///x"])
def test_an_address_must_be_one(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="begins with http"):
        mirror.publish(staging(tmp_path), tmp_path / "mirror", url, print)
