"""The model of the rehearsal: trained, resumed after a reclaim, and registered."""

from __future__ import annotations

from datetime import UTC, datetime

from examples.tiny_lm import data, job
from examples.tiny_lm.definition import Definition
from examples.tiny_lm.events import Event
from landfall import registry
from landfall.cli.console import Step
from landfall.cli.flow import git
from landfall.model import admission
from landfall.model.environment import ROOT, Environment
from rehearsal.services import BUCKET, Services

NAME = "tiny-lm"
ALIAS = "production"

TRAINED_ON = {"dataset/tiny-lm-text": data.CORPUS}
"""What the model reads, by admission record."""


def ensure(environment: Environment, running: Services, step: Step) -> job.Outcome:
    """Train the rehearsal's model, unless it is there; a fresh run is interrupted once.

    Raises:
        IntegrityError: its text is not what the admission record admits.
        InvalidInput: a record has problems.
    """
    for record in admitted():
        admission.verify(record, TRAINED_ON[record.id])

    def show(event: Event) -> None:
        loss = f", loss {event.loss:.2f}" if event.loss is not None else ""
        step.update(f"step {event.step} of {event.steps}{loss}")

    outcome = job.run(
        environment.leavings / "training" / NAME,
        bucket=BUCKET,
        environment=running.environment,
        on_event=show,
        job=Definition(),
    )
    step.result = f"{story(outcome)}; perplexity {outcome.training.perplexity:.3f}"
    return outcome


def story(outcome: job.Outcome) -> str:
    """How the training came about, in words."""
    if not outcome.parts:
        return "trained already"
    lives = [
        f"step {part.first} to {part.last}{' (reclaimed)' if part.reclaimed else ''}"
        for part in outcome.parts
    ]
    return ", then ".join(lives)


def admitted() -> list[admission.Admission]:
    """The records of what the model reads.

    Raises:
        InvalidInput: a record has problems.
    """
    today = datetime.now(UTC).date()
    folder = ROOT / admission.FOLDER
    return [admission.load(folder / f"{name}.yaml", today=today) for name in TRAINED_ON]


def card(outcome: job.Outcome) -> registry.Card:
    """What a version says about itself; it is classified as what it was trained on."""
    return registry.Card(
        parameters=outcome.training.parameters,
        precision="float32",
        data_digest=outcome.training.data_digest,
        trained_on=outcome.trained_on,
        classification=admission.inherited(each.classification for each in admitted()),
    )


def register(outcome: job.Outcome, running: Services) -> registry.ModelVersion:
    """Register what was trained, once, and let the alias `production` stand for it.

    The commit is recorded by the run that trained it: a later one may stand at another.
    """
    commit = git.state(ROOT) if outcome.parts else ""
    version = registry.register(
        outcome.folder,
        NAME,
        tracking_uri=running.tracking_uri,
        tags={**card(outcome).tags(), **({registry.COMMIT: commit} if commit else {})},
        metrics={"perplexity": outcome.training.perplexity},
        params={"job": outcome.training.job_digest},
    )
    registry.set_alias(version, ALIAS, tracking_uri=running.tracking_uri)
    return version
