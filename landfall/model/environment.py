"""dev, staging and prod: one stack, one inventory and one release file, of the same name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from landfall.errors import InvalidInput, Problem

ROOT = Path(__file__).resolve().parent.parent.parent
"""The checkout: Landfall runs from its repository, it is not installed elsewhere."""


LEAVINGS = ".landfall"
"""The folder of a checkout in which runs leave what they leave."""

REHEARSAL = "dev"
"""The environment whose site is the virtual rack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where everything of one environment stands."""

    name: str
    root: Path

    @property
    def inventory(self) -> Path:
        """The Ansible inventory folder."""
        return self.root / "inventories" / self.name

    @property
    def site_file(self) -> Path:
        """The description of the site."""
        return self.inventory / "group_vars" / "all" / "site.yml"

    @property
    def release_file(self) -> Path:
        """Which engines answer for which served name."""
        return self.root / "releases" / f"{self.name}.yaml"

    @property
    def local_release_file(self) -> Path:
        """Releases of engines that this machine trained itself, in a rehearsal; never committed."""
        return self.work / "releases.yaml"

    @property
    def stack_file(self) -> Path:
        """The configuration of the Pulumi stack."""
        return self.root / f"Pulumi.{self.name}.yaml"

    @property
    def leavings(self) -> Path:
        """What runs leave behind, of all environments; ignored by git."""
        return self.root / LEAVINGS

    @property
    def work(self) -> Path:
        """What runs leave behind for this environment alone."""
        return self.leavings / self.name

    @property
    def handoff_file(self) -> Path:
        """What the cloud told the site, last time."""
        return self.work / "handoff.json"

    @property
    def wheelhouse_file(self) -> Path:
        """Where hosts get Landfall's wheels: an address and a digest."""
        return self.work / "wheelhouse.json"

    @property
    def services_file(self) -> Path:
        """The addresses of the services that stand in for the account, in a rehearsal."""
        return self.work / "services.json"

    @property
    def rehearsal(self) -> bool:
        """Whether its cloud, its hosts and its services are stand-ins on this machine."""
        return self.name == REHEARSAL

    @property
    def store(self) -> Path:
        """Built engines, by key."""
        return self.leavings / "store"

    @property
    def keys(self) -> Path:
        """Signing keys of the rehearsal; elsewhere keys live in a token, not in files."""
        return self.work / "keys"


def find(name: str, root: Path = ROOT) -> Environment:
    """The environment `name` of the checkout `root`.

    Raises:
        InvalidInput: there is no such environment; the message names those that are.
    """
    known = names(root)
    if name not in known:
        message = f"no such environment; there are {', '.join(known) or 'none'}"
        raise InvalidInput(f"environment {name}", [Problem(path="", message=message)])
    return Environment(name=name, root=root)


def names(root: Path = ROOT) -> list[str]:
    """The environments of a checkout: those that have a stack file and an inventory."""
    stacks = (
        re.fullmatch(r"Pulumi\.(\w+)\.yaml", path.name) for path in root.glob("Pulumi.*.yaml")
    )
    return sorted(
        match[1] for match in stacks if match and (root / "inventories" / match[1]).is_dir()
    )


def cache_folder() -> Path:
    """Where set-up keeps what it made once: the Pulumi command, the root filesystem, packages."""
    return Path(platformdirs.user_cache_dir("landfall"))
