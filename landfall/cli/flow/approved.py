"""Who does a release, and who approves it."""

from __future__ import annotations

from landfall import process
from landfall.errors import CommandFailed, Refused
from landfall.model.environment import Environment

APPROVED = frozenset({"prod"})
"""Environments in which a release needs somebody else's approval."""


def trailers(environment: Environment, approver: str) -> tuple[str, ...]:
    """The trailers that name who did it and who approved.

    Raises:
        Refused: the environment wants an approver who is not the author, and there is none.
    """
    if environment.name not in APPROVED:
        return ()
    author = _author(environment)
    if not approver or approver.strip().casefold() == author.casefold():
        who = "nobody does" if not approver else f"{author} is its author"
        raise Refused(
            f"a release in {environment.name} is approved by somebody who is not its author; {who}",
            hint="Give --approved-by, and have the commit reviewed by the same person.",
        )
    return (f"Released-by: {author}", f"Approved-by: {approver.strip()}")


def _author(environment: Environment) -> str:
    """Who will commit it: the name that git has.

    Raises:
        Refused: git knows no name here.
    """
    try:
        done = process.run(["git", "-C", environment.root, "config", "user.name"])
    except CommandFailed as error:
        raise Refused("git does not know who you are", hint="git config user.name") from error
    return done.stdout.strip()
