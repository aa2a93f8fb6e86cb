"""Who may do what with an engine: a check over names, which others read from commits and keys.

Who builds cannot sign for prod, and a prod release needs an approver who is not its author.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from landfall.errors import PolicyViolation

PROTECTED = frozenset({"prod"})
"""Environments in which one person alone can do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Who had a hand in a release. Empty where nobody is known.

    Attributes:
        author: who wrote the commit that releases it.
        approver: who approved that commit.
        builder: the identity that built the engine.
        signer: whose key signed it.
    """

    author: str = ""
    approver: str = ""
    builder: str = ""
    signer: str = ""


def problems(environment: str, names: Names) -> tuple[str, ...]:
    """Everything that is wrong with a release to `environment` by these people, in words."""
    return tuple(_problems(names)) if environment in PROTECTED else ()


def check(environment: str, names: Names) -> None:
    """Let a release pass, or refuse it with every reason.

    Raises:
        PolicyViolation: people are missing, or one of them did two things that need two.
    """
    found = problems(environment, names)
    if found:
        raise PolicyViolation(
            f"a release to {environment} needs more people: {'; '.join(found)}",
            hint="Have somebody else approve the commit, or sign the engine.",
        )


def check_signing(environment: str, *, builder: str, signer: str) -> None:
    """Let a signature count, or refuse it: before anybody has released the engine.

    Raises:
        PolicyViolation: the builder is not known, or signed what they built.
    """
    found = tuple(_signing(builder, signer)) if environment in PROTECTED else ()
    if found:
        raise PolicyViolation(f"not signed for {environment}: {'; '.join(found)}")


def same(one: str, other: str) -> bool:
    """Whether two names are one person: as mail addresses are compared, without case and spaces."""
    return _plain(one) == _plain(other) != ""


def _problems(names: Names) -> Iterator[str]:
    yield from _missing("author", names.author, "wrote the release")
    yield from _missing("approver", names.approver, "approved it")
    if same(names.approver, names.author):
        yield f"{names.author} wrote the release and approved it; another one must approve"
    yield from _signing(names.builder, names.signer)


def _signing(builder: str, signer: str) -> Iterator[str]:
    yield from _missing("builder", builder, "built the engine")
    yield from _missing("signer", signer, "signed the engine")
    if same(signer, builder):
        yield f"{builder} built the engine and signed it; another one must sign"


def _missing(role: str, name: str, did: str) -> Iterator[str]:
    if not _plain(name):
        yield f"nobody is known who {did} (the {role})"


def _plain(name: str) -> str:
    """The address within `Name <address>`, else the name."""
    before, opened, after = name.partition("<")
    return " ".join((after.rstrip("> ") if opened else before).split()).casefold()
