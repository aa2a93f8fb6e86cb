"""Which cloud a program talks to: a real account, or the offline one of a rehearsal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from landfall.errors import InvalidInput, Problem

ATTACH = "PULUMI_DEBUG_PROVIDERS"
"""The engine's own variable for a provider that already runs, `aws:PORT`."""


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
        if self.provider == "aws" and url.startswith("file://"):
            from stacks.offline.marker import is_marked

            if is_marked(Path(url.removeprefix("file://"))):
                message = f"{url} is a rehearsal's state, but {self.sentence}"
                raise InvalidInput("PULUMI_BACKEND_URL", [Problem(path="", message=message)])

    @staticmethod
    def detect(environ: Mapping[str, str] = os.environ) -> Cloud:
        """The provider that the engine was started with."""
        attached = [each.partition(":")[0] for each in environ.get(ATTACH, "").split(",")]
        return Cloud(provider="offline" if "aws" in attached else "aws")
