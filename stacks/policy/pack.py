"""The pack as a program: it tells the engine its port, and answers until the engine ends it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from stacks.memory import for_this_program
from stacks.policy import settings as limits
from stacks.policy.analyzer import Analyzer, server
from stacks.policy.rules import rules
from stacks.policy.settings import PolicySettings


def serve(folder: Path = limits.FOLDER) -> None:
    """Answer the engine until it ends this process, with the limits in `folder`."""
    for_this_program()
    known = frozenset(rule.name for rule in rules())

    @cache
    def settings_of(environment: str) -> PolicySettings:
        return limits.load(environment, folder, known)

    by_engine = tuple(rule for rule in rules() if rule.check_changes is None)
    running, port = server(Analyzer(by_engine, settings_of))
    # The engine reads the port from the first line of standard output.
    print(port, flush=True)
    running.wait_for_termination()
