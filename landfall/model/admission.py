"""Admission records: what may enter either half, who said so, and what exactly it is.

A data set, base model, image or package enters the cloud or the site only with a record in the
repository, `admissions/<kind>/<name>.yaml`, reviewed like code:

    admission:
      name: claims-2025
      source: core banking, export job 4711
      digest: sha256:<of the file, or of the folder's manifest, see landfall.model.manifest>
      licence: LicenseRef-Internal
      classification: confidential
      destinations: [cloud]
      ...

Restricted data has no way up: no record sends it to the cloud. A model inherits the highest
classification of what it was trained on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    field_validator,
)

from landfall.errors import IntegrityError, InvalidInput, Problem
from landfall.model import manifest
from landfall.model.classification import Classification
from landfall.model.manifest import Manifest
from landfall.model.parsing import Written, problems_of, read_yaml

FOLDER = "admissions"
ROOT_KEY = "admission"
TAGS = ("landfall:admission", "landfall:classification", "landfall:digest")
"""The tags that everything admitted carries where it is kept."""

APPROVERS = 2
"""How many people at least say yes, none of them the author."""

Text = Annotated[str, Field(min_length=1)]
Person = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._@-]*$")]
"""A person as the repository's host knows them, in lower case."""


def _only_a_day(value: object) -> object:
    if type(value) is date or isinstance(value, str):
        return value
    raise ValueError(f"must be a day such as 2026-11-21, not {value!r}")


Day = Annotated[date, BeforeValidator(_only_a_day)]
"""A day; a bare number is none, though pydantic would take it for seconds since 1970."""


class Kind(StrEnum):
    """What enters."""

    DATASET = "dataset"
    BASE_MODEL = "base_model"
    IMAGE = "image"
    PACKAGE = "package"


class Destination(StrEnum):
    """Which half it enters."""

    CLOUD = "cloud"
    SITE = "site"


class LawfulBasis(StrEnum):
    """Why personal data may be processed (GDPR article 6.1 a to f), or that there is none."""

    NOT_PERSONAL = "not_personal_data"
    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    VITAL_INTERESTS = "vital_interests"
    PUBLIC_TASK = "public_task"
    LEGITIMATE_INTERESTS = "legitimate_interests"


class Tested(StrEnum):
    """How the test of a de-identification ended."""

    PASSED = "passed"
    FAILED = "failed"


class Scanned(StrEnum):
    """How a scan for malware, secrets and unsafe formats ended."""

    CLEAN = "clean"
    FINDINGS = "findings"


class DeIdentification(Written):
    """How personal data was made harmless, and how that was tested."""

    method: Text
    test: Text
    result: Tested
    date: Day


class Scan(Written):
    """What looked into it, when, and what it said."""

    tool: Text
    date: Day
    result: Scanned


class Admission(Written):
    """One admission record.

    Attributes:
        kind: what enters; the folder says it, not the file.
        name: the file's name without its ending.
        source: where it was got from, for a person.
        digest: `sha256:` and the digest of the file, or of the folder's manifest.
        licence: an SPDX expression; LicenseRef-... where SPDX has no name for it.
        classification: how far it may go.
        destinations: which halves it may enter.
        personal_data: whether it is about people.
        lawful_basis: why it may be processed, where it is about people.
        de_identification: required from confidential up, where it is about people.
        scan: required for everything.
        admitted: the day on which it was approved.
        retention_days: days after `admitted` for which it may be kept.
        author: who wrote the record.
        approvers: two people or more, none of them the author.
    """

    kind: Kind
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
    source: Text
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    licence: Text
    classification: Classification
    destinations: Annotated[tuple[Destination, ...], Field(min_length=1)]
    personal_data: StrictBool
    lawful_basis: LawfulBasis
    de_identification: DeIdentification | None = None
    scan: Scan
    admitted: Day
    retention_days: Annotated[StrictInt, Field(ge=1, le=36525)]
    author: Person
    approvers: Annotated[tuple[Person, ...], Field(min_length=APPROVERS)]

    @field_validator("licence")
    @classmethod
    def _spdx(cls, written: str) -> str:
        try:
            return str(canonicalize_license_expression(written))
        except InvalidLicenseExpression as error:
            right = "an SPDX expression such as Apache-2.0, or LicenseRef-<name>"
            raise ValueError(f"{error}; it must be {right}") from error

    @property
    def id(self) -> str:
        """Kind and name: `dataset/claims-2025`."""
        return f"{self.kind}/{self.name}"

    @property
    def expires(self) -> date:
        """The last day on which it may be kept."""
        return self.admitted + timedelta(days=self.retention_days)

    @property
    def tags(self) -> dict[str, str]:
        """What it carries where it is kept, see `TAGS`."""
        return dict(zip(TAGS, (self.id, self.classification.value, self.digest), strict=True))


def load(path: Path, *, today: date) -> Admission:
    """Read one record; its folder says the kind and its file the name.

    Raises:
        InvalidInput: with every problem, each with its path; also where its retention is over.
    """
    return parse(
        read_yaml(path), kind=path.parent.name, stem=path.stem, source=str(path), today=today
    )


def load_all(root: Path, *, today: date) -> dict[str, Admission]:
    """Every record of a checkout, by `Admission.id`.

    Raises:
        InvalidInput: with every problem of every record.
    """
    found: dict[str, Admission] = {}
    problems: list[Problem] = []
    for path in sorted((root / FOLDER).glob("*/*.yaml")):
        try:
            record = load(path, today=today)
        except InvalidInput as error:
            where = path.relative_to(root / FOLDER)
            problems += [
                Problem(path=f"{where} {each.path}".rstrip(), message=each.message)
                for each in error.problems
            ]
        else:
            found[record.id] = record
    if problems:
        raise InvalidInput(FOLDER, problems)
    return found


def parse(value: object, *, kind: str, stem: str, source: str, today: date) -> Admission:
    """A record from the content of its file.

    Args:
        value: as read from YAML.
        kind: the name of its folder.
        stem: the name of its file without the ending.
        source: the file, for messages.
        today: the day that retention is compared with.

    Raises:
        InvalidInput: with every problem, each with its path.
    """
    written = value.get(ROOT_KEY) if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(written, Mapping) or len(value) != 1:
        raise InvalidInput(source, [Problem(path="", message=f"must have one key, {ROOT_KEY}")])
    raw = {str(key): each for key, each in written.items()}
    problems = []
    if "kind" in raw:
        problems.append(
            Problem(path=f"{ROOT_KEY}.kind", message="the folder says it; leave it out")
        )
    record = None
    try:
        record = Admission.model_validate({**raw, "kind": kind})
    except ValidationError as error:
        problems += problems_of(error, Admission, ROOT_KEY)
    # What was understood is compared where there is such a thing: no spelling gets around a rule.
    fields = record.model_dump() if record else raw
    problems += [
        Problem(path=f"{ROOT_KEY}.{path}", message=message)
        for path, message in _contradictions(fields, stem, today)
    ]
    if problems or record is None:
        raise InvalidInput(source, problems)
    return record


def inherited(classifications: Iterable[Classification]) -> Classification:
    """What a model is classified as that was trained on these: the highest of them.

    Raises:
        ValueError: there are none; a model of unknown origin has no classification.
    """
    found = list(classifications)
    if not found:
        raise ValueError("a model that was trained on nothing admitted has no classification")
    return max(found, key=lambda each: each.rank)


def verify(record: Admission, path: Path) -> Manifest:
    """Compare a file or a folder with its record; what it is made of, if it is the one.

    Raises:
        IntegrityError: it is something else than was admitted.
        InvalidInput: it is not there, or is no file and no plain folder.
    """
    found = manifest.read(path)
    if f"sha256:{found.digest}" != record.digest:
        raise IntegrityError(
            f"{path} is not what {record.id} admits: its digest is sha256:{found.digest}, "
            f"the record says {record.digest}",
            hint="Get the admitted bytes again, or have what changed reviewed in a new record.",
        )
    return found


def _contradictions(raw: Mapping[str, Any], stem: str, today: date) -> Iterator[tuple[str, str]]:
    """What no single field shows; each rule looks at what is there, however wrong the rest is."""
    name = _text(raw, "name")
    if name and name != stem:
        yield "name", f"the file is called {stem}, so the name must be that"
    yield from _way(raw)
    yield from _people(raw)
    yield from _personal(raw)
    yield from _dates(raw, today)
    if _text(raw, "scan", "result") == Scanned.FINDINGS:
        yield "scan.result", "nothing with findings enters; it must be clean"


def _way(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    places = _texts(raw.get("destinations"))
    if _text(raw, "classification") == Classification.RESTRICTED and Destination.CLOUD in places:
        at = places.index(Destination.CLOUD)
        yield f"destinations.{at}", "restricted data has no way into the cloud; only site is left"
    if any(each and places.count(each) > 1 for each in places):
        yield "destinations", "one appears twice"


def _people(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    author = _text(raw, "author")
    seen: set[str] = set()
    for number, person in enumerate(_texts(raw.get("approvers"))):
        if not person:
            continue
        if person == author:
            yield f"approvers.{number}", f"{person} is the author; somebody else must approve"
        elif person in seen:
            yield f"approvers.{number}", f"{person} appears twice; two different people approve"
        seen.add(person)


def _personal(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    basis, personal = _text(raw, "lawful_basis"), raw.get("personal_data")
    bases = [each.value for each in LawfulBasis if each is not LawfulBasis.NOT_PERSONAL]
    if personal is True and basis == LawfulBasis.NOT_PERSONAL:
        yield "lawful_basis", f"personal_data is true, so it must be one of {', '.join(bases)}"
    if personal is False and basis in bases:
        yield "lawful_basis", "personal_data is false, so it must be not_personal_data"
    high = _text(raw, "classification") in {"confidential", "restricted"}
    if personal is True and high and raw.get("de_identification") is None:
        yield "de_identification", "required for personal data from confidential up"
    if _text(raw, "de_identification", "result") == Tested.FAILED:
        yield "de_identification.result", "its test failed; it must have passed"


def _dates(raw: Mapping[str, Any], today: date) -> Iterator[tuple[str, str]]:
    admitted, days = _day(raw.get("admitted")), raw.get("retention_days")
    for path in (("admitted",), ("scan", "date"), ("de_identification", "date")):
        day = _day(_value(raw, *path))
        if day and day > today:
            yield ".".join(path), f"{day} has not come yet"
        elif day and admitted and day > admitted:
            yield ".".join(path), f"{day} is after the admission on {admitted}"
    if admitted and isinstance(days, int) and days >= 1:
        try:
            end = admitted + timedelta(days=days)
        except OverflowError:
            return
        if end < today:
            yield "retention_days", f"ended on {end}: delete it everywhere, then remove the record"


def _value(raw: Mapping[str, Any], *path: str) -> Any:
    current: Any = raw
    for part in path:
        current = current.get(part) if isinstance(current, Mapping) else None
    return current


def _text(raw: Mapping[str, Any], *path: str) -> str:
    """The text at `path`; nothing where there is something else, which its field's type tells."""
    found = _value(raw, *path)
    return found.strip() if isinstance(found, str) else ""


def _day(value: object) -> date | None:
    """A day as YAML reads it, or as text; None where it is something else."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            return None
    return value if type(value) is date else None


def _texts(value: object) -> list[str]:
    """The items of a list, as text; what is none stands as nothing, so that numbers stay."""
    items = value if isinstance(value, list | tuple) else []
    return [each.strip() if isinstance(each, str) else "" for each in items]
