"""Where an engine comes from: its manifest, the registry, the admission records, the releases."""

from __future__ import annotations

from datetime import UTC, datetime

from engines import lineage, sign
from engines.entry import Entry
from engines.lineage import Around, Node
from engines.manifest import Statement
from engines.store import KEY, Store
from landfall.cli.flow import services
from landfall.cli.flow.claims import claims
from landfall.errors import IntegrityError, InvalidInput, LandfallError, Problem
from landfall.model import admission, release
from landfall.model.environment import Environment


def of(environment: Environment, wanted: str) -> Node:
    """The lineage of an engine, by its served name, its key, or the key's first digits.

    A registry that does not answer takes away what only it knows, and is said to be silent.

    Raises:
        InvalidInput: there is no such engine in the store.
        IntegrityError: its files are not those of its manifest.
    """
    store = Store(environment.store)
    entry = _entry(environment, store, wanted)
    statement = store.verify(entry.key)
    tags, run, silence = _registered(environment, statement)
    data = statement.predicate.materials.training_data or tags.get("data_digest", "")
    around = Around(
        tags=tags,
        run=run,
        silence=silence,
        data=_admitted(environment, data),
        signature=_signature(environment, entry),
        releases=claims(environment.root).get(entry.key, ()),
    )
    return lineage.tree(statement, around)


def _entry(environment: Environment, store: Store, wanted: str) -> Entry:
    """A served name stands for the engine that answers for it; else for the only one of it."""
    released = release.load(environment).get(wanted)
    if released is not None:
        return store.find(released.engines[0].key)
    named = [each for each in store.entries() if each.name == wanted]
    if len(named) == 1:
        return named[0]
    if named:
        keys = ", ".join(each.key[:12] for each in named)
        message = f"no release names it, and the store has several: {keys}. Give a key"
        raise InvalidInput("engine", [Problem(path=wanted, message=message)])
    if KEY.fullmatch(wanted) or set(wanted) <= set("0123456789abcdef"):
        return store.find(wanted)
    message = "is neither a served name with an engine in the store nor the beginning of a key"
    raise InvalidInput("engine", [Problem(path=wanted, message=message)])


def _registered(environment: Environment, statement: Statement) -> tuple[dict[str, str], str, str]:
    """Tags and run of the model's version, and why there are none."""
    from landfall import registry  # slow to import

    made = statement.predicate.materials
    try:
        uri = services.registry_uri(environment)
        found = registry.resolve(made.model, made.version, tracking_uri=uri)
    except LandfallError as error:
        return {}, "", f"says nothing: {error.message.splitlines()[0]}"
    return dict(found.tags), found.run, ""


def _admitted(environment: Environment, digest: str) -> str:
    """The admission record of the training data, where one has its digest."""
    today = datetime.now(UTC).date()
    for path in sorted((environment.root / admission.FOLDER).rglob("*.yaml")):
        try:
            record = admission.load(path, today=today)
        except InvalidInput:
            continue
        if digest and record.digest.removeprefix("sha256:") == digest:
            return f"{path.relative_to(environment.root)}"
    return ""


def _signature(environment: Environment, entry: Entry) -> str:
    trust = environment.keys / sign.PUBLIC_KEY
    if not trust.exists():
        return f"not checked: {environment.name} has no {sign.PUBLIC_KEY} here"
    try:
        return f"holds, by {sign.verify(entry.engine, entry.signature, trust)}"
    except IntegrityError as error:
        return f"does not hold: {error.message}"
