"""Which cloud a program talks to: a real account, or the offline one of a rehearsal."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from landfall.errors import InvalidInput, Problem
from landfall.model.environment import Environment
from landfall.model.parsing import read_yaml
from stacks.settings.whole import PRODUCTION, Settings
from stacks.state import folder_of

ATTACH = "PULUMI_DEBUG_PROVIDERS"
"""The engine's own variable for a provider that already runs, `aws:PORT`."""


NO_DIGEST = "@sha256:" + 64 * "0"
"""What the examples write where a digest belongs."""


def backend_of(environment: Environment) -> str:
    """The backend that the project names."""
    written = read_yaml(environment.root / "Pulumi.yaml")
    return str((written.get("backend") or {}).get("url") or "")


def secrets_provider_of(environment: Environment) -> str:
    """The secrets provider of the environment's stack; "" where it is a passphrase."""
    written = read_yaml(environment.root / f"Pulumi.{environment.name}.yaml")
    found = str(written.get("secretsprovider") or "")
    return "" if found in ("default", "passphrase") else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """The provider in use, and what to tell the reader about it."""

    provider: Literal["aws", "offline"]

    @property
    def sentence(self) -> str:
        """What a person must always see."""
        if self.provider == "offline":
            return "Provider: offline. Nothing is created in any account; this rehearses the plan."
        return "Provider: aws. Changes reach a real account."

    def refuse_foreign_state(self, environ: Mapping[str, str] = os.environ) -> None:
        """Keep a real provider away from a rehearsal's state.

        The other way round, the offline provider itself refuses what is not its own.

        Raises:
            InvalidInput: the state folder is marked as a rehearsal's.
        """
        url = environ.get("PULUMI_BACKEND_URL", "")
        if self.provider == "aws" and (folder := folder_of(url)):
            from stacks.offline.marker import is_marked

            if is_marked(folder):
                message = f"{url} is a rehearsal's state, but {self.sentence}"
                raise InvalidInput("PULUMI_BACKEND_URL", [Problem(path="", message=message)])

    def problems(
        self, environment: Environment, settings: Settings, environ: Mapping[str, str] = os.environ
    ) -> Iterator[Problem]:
        """What a rehearsal may do and a real account may not."""
        if self.provider == "offline":
            return
        for path, image in settings.images():
            if image.endswith(NO_DIGEST):
                yield Problem(
                    path=f"landfall:{path}",
                    message="a digest of zeros stands for no image; give one",
                )
        if environment.name == PRODUCTION:
            yield from self._kept_safely(environment, environ)

    def _kept_safely(
        self, environment: Environment, environ: Mapping[str, str]
    ) -> Iterator[Problem]:
        url = environ.get("PULUMI_BACKEND_URL", "") or backend_of(environment)
        if folder_of(url):
            message = f"{url} is on one machine; give prod a shared backend, e.g. s3://"
            yield Problem(path="backend", message=message)
        if not secrets_provider_of(environment):
            message = "prod has a passphrase; run `pulumi stack change-secrets-provider awskms://…`"
            yield Problem(path="secretsprovider", message=message)

    @staticmethod
    def detect(environ: Mapping[str, str] = os.environ) -> Cloud:
        """The provider that the engine was started with."""
        attached = [each.partition(":")[0] for each in environ.get(ATTACH, "").split(",")]
        return Cloud(provider="offline" if "aws" in attached else "aws")
