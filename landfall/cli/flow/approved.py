"""Who does a release, and who approves it."""

from __future__ import annotations

from engines import approval
from engines.approval import PROTECTED, Names
from engines.candidate import Candidate
from landfall.cli.flow import git
from landfall.errors import Refused
from landfall.model.environment import Environment


def trailers(environment: Environment, approver: str, engine: Candidate | None) -> tuple[str, ...]:
    """The trailers of the commit: who did it and who approved. None where one person may do all.

    Args:
        environment: where it is released.
        approver: who approves it.
        engine: what gets a larger share; None for a rollback, which goes to what was approved
            before, and waits for nobody.

    Raises:
        PolicyViolation: people are missing, or one of them did two things that need two.
        Refused: git knows no name here.
    """
    if environment.name not in PROTECTED:
        return ()
    author = _author(environment)
    if engine is None:
        return (f"Released-by: {author}",)
    names = Names(author=author, approver=approver, builder=engine.builder, signer=engine.signer)
    approval.check(environment.name, names)
    return (f"Released-by: {author}", f"Approved-by: {approver.strip()}")


def _author(environment: Environment) -> str:
    """Who will commit it: the name that git has.

    Raises:
        Refused: git knows no name here.
    """
    name = git.user(environment.root)
    if not name:
        raise Refused("git does not know who you are", hint="git config user.name NAME")
    return name
