"""Moves of a release: checked, shown as a diff, written. Hosts follow with `landfall site`."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from engines import gate, sign, spec
from engines import release as moves
from engines.candidate import Candidate, objections
from engines.store import Store
from landfall import files
from landfall.cli.flow import approved, targets
from landfall.errors import IntegrityError, Refused
from landfall.model import release, variables
from landfall.model.environment import Environment
from landfall.model.release import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose move it is.

    Attributes:
        approver: who approves it; "" for nobody.
        dry_run: say what would be written, and write nothing.
    """

    approver: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A move that was made, or would be.

    Attributes:
        file: the release file, as a path in the checkout.
        diff: unified text; "" where nothing differs.
        trailers: lines for the commit message, where a commit is needed.
    """

    file: str
    diff: str
    trailers: tuple[str, ...] = ()


def canary(environment: Environment, name: str, key: str, share: int, asked: Asked) -> Moved:
    """Give an engine a share of the requests for `name`.

    Raises:
        Refused: with everything that speaks against it.
    """
    whole = Store(environment.store).find(key).key
    return _move(environment, name, lambda now: moves.canary(now, whole, share), asked, whole)


def promote(
    environment: Environment, name: str, key: str, asked: Asked, *, without_canary: bool = False
) -> Moved:
    """Give an engine all requests for `name`; without a key, the canary.

    Raises:
        Refused: with everything that speaks against it.
    """
    whole = Store(environment.store).find(key).key if key else _canary(environment, name)

    def move(now: Release | None) -> Release:
        if not without_canary:
            moves.check_proven_first(now, whole)
        return moves.promote(now, whole)

    return _move(environment, name, move, asked, whole)


def rollback(environment: Environment, name: str, asked: Asked) -> Moved:
    """Take the canary of `name` back, or else return to its previous engine.

    Raises:
        Refused: there is nothing to return to, or it cannot be verified.
    """

    def move(now: Release | None) -> Release:
        if now is None:
            raise Refused(f"nothing answers for {name}, so there is nothing to roll back")
        return moves.rollback(now)

    return _move(environment, name, move, asked)


def candidate(environment: Environment, key: str) -> Candidate:
    """What the store and the signature say of an engine."""
    try:
        about = Store(environment.store).verify(key, environment.keys / sign.PUBLIC_KEY).predicate
    except IntegrityError as error:
        return Candidate(key=key, unverified=error.message)
    return Candidate(
        key=key,
        name=about.engine,
        classification=about.classification,
        unmet=gate.unmet(about),
        builder=about.built_by,
        signer=about.approver,
        gpu=about.host.devices[0].name if about.container and about.host.devices else "",
    )


def _canary(environment: Environment, name: str) -> str:
    now = release.load(environment).get(name)
    if now is None or not now.canaries:
        raise Refused(
            f"{name} has no canary to promote",
            hint="Give the key of an engine: landfall engine list shows them.",
        )
    return now.canaries[0].key


def _move(
    environment: Environment,
    name: str,
    move: Callable[[Release | None], Release],
    asked: Asked,
    key: str = "",
) -> Moved:
    now = release.load(environment).get(name)
    wanted = move(now)
    path, before = release.written(environment)
    after = {**before, name: wanted}
    shown = str(path.relative_to(environment.root))
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    if now == wanted:
        return Moved(file=shown, diff="")
    _check(environment, name, now, wanted)
    engine = candidate(environment, key) if key else None
    trailers = approved.trailers(environment, asked.approver, engine)
    text = _comment(old) + release.text(after)
    if not asked.dry_run:
        files.write(path, text)
    lines = difflib.unified_diff(
        old.splitlines(), text.splitlines(), fromfile=shown, tofile=shown, lineterm=""
    )
    return Moved(file=shown, diff="\n".join(lines), trailers=trailers)


def _check(environment: Environment, name: str, now: Release | None, wanted: Release) -> None:
    """Refuse a release with an engine that must not answer, giving every reason.

    The engine that is proven is not judged again: to take a canary back must always be possible.
    """
    answering = {each.key: each.share for each in now.engines} if now else {}
    known = spec.load_all(environment.root / "engines" / "specs").get(release.served(name))
    models = {each.gpu for each in targets.servers(environment)}
    reasons = [
        reason
        for each in wanted.engines
        if each.share > answering.get(each.key, 0) and not (now and each.key == now.proven)
        for reason in objections(
            candidate(environment, each.key),
            name=name,
            needed=known.classification if known else None,
            again=now is not None and each.key == now.previous,
            models=models,
        )
    ]
    if reasons:
        raise Refused(
            f"{name} is not released so: {'; '.join(reasons)}",
            hint="landfall engine list shows what the store holds.",
        )
    variables.check(environment, {**release.load(environment), name: wanted})


def _comment(text: str) -> str:
    """The lines at the head of a file that explain it."""
    kept = []
    for line in text.splitlines(keepends=True):
        if not line.startswith("#"):
            break
        kept.append(line)
    return "".join(kept)
