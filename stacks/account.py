"""Which cloud a program talks to: a real account, or the offline one of a rehearsal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

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

    @staticmethod
    def detect(environ: Mapping[str, str] = os.environ) -> Cloud:
        """The provider that the engine was started with."""
        attached = [each.partition(":")[0] for each in environ.get(ATTACH, "").split(",")]
        return Cloud(provider="offline" if "aws" in attached else "aws")
