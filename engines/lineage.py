"""From the data to what answers: everything that is recorded about one engine, as a tree.

What is not recorded is said to be so; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engines.manifest import Outcome, Predicate, Statement

NOT_RECORDED = "not recorded"
TAGS = {
    "trained_on": "trained on",
    "parameters": "parameters",
    "precision": "precision",
    "compliance": "review",
    "content_digest": "digest of all files",
}
"""What a version of the registry says about itself, by tag, and how it is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One fact, and what lies below it."""

    label: str
    value: str = ""
    below: tuple[Node, ...] = ()

    def plain(self) -> dict[str, object]:
        """As plain data, for JSON."""
        below = [each.plain() for each in self.below]
        return {"label": self.label, "value": self.value, **({"below": below} if below else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is known about an engine besides its manifest.

    Attributes:
        tags: of the model's version in the registry.
        run: of the registry, that holds the version's files.
        silence: why the registry said nothing; empty where it answered.
        data: what is known about the training data, such as its admission record.
        signature: what became of checking it.
        releases: which name it, in words.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    silence: str = ""
    data: str = ""
    signature: str = NOT_RECORDED
    releases: Sequence[str] = ()


def tree(statement: Statement, around: Around) -> Node:
    """The lineage of an engine."""
    about = statement.predicate
    files = tuple(Node(label=each.name, value=each.digest["sha256"]) for each in statement.subject)
    return Node(
        label=f"engine {about.engine}",
        value=about.key,
        below=(
            _model(about, around),
            _build(about),
            Node(label="gates", below=tuple(_gate(each) for each in about.outcomes) or NOTHING),
            Node(label="files", value=str(len(files)), below=files),
            Node(label="signature", value=around.signature),
            Node(label="approved by", value=about.approver or NOT_RECORDED),
            Node(label="released", below=tuple(Node(label=each) for each in around.releases))
            if around.releases
            else Node(label="released", value="by nobody"),
        ),
    )


NOTHING = (Node(label=NOT_RECORDED),)


def _model(about: Predicate, around: Around) -> Node:
    made, tags = about.materials, around.tags
    trained_on = made.classification.value if made.classification else ""
    data = Node(
        label="training data",
        value=made.training_data or tags.get("data_digest", "") or NOT_RECORDED,
        below=_known(
            {"classification": trained_on or tags.get("classification", ""), "record": around.data}
        ),
    )
    run = Node(
        label="training run",
        value=made.run or around.run or NOT_RECORDED,
        below=(
            Node(label="code", value=made.commit or tags.get("commit", "") or NOT_RECORDED),
            data,
        ),
    )
    said = _known({shown: tags.get(tag, "") for tag, shown in TAGS.items()})
    silence = _known({"registry": around.silence})
    files = tuple(Node(label=name, value=each) for name, each in made.files.items())
    return Node(
        label="model",
        value=f"{made.model} version {made.version}",
        below=(run, *said, *silence, Node(label="files", value=str(len(files)), below=files)),
    )


def _build(about: Predicate) -> Node:
    facts = {
        "by": f"{about.builder}{f' as {about.built_by}' if about.built_by else ''}",
        "at": about.built.isoformat(),
        "on": ", ".join([about.host.cpu, *about.host.gpus]),
        "for": about.target,
        "backend": " ".join(filter(None, (about.backend, about.mode, about.backend_version))),
        "container": about.container,
        "precision": about.precision,
        "classification": about.classification.value,
    }
    parts = tuple(Node(label=name, value=each) for name, each in about.parts.items())
    key = Node(label="key", value=f"of {len(parts)} parts", below=parts)
    return Node(label="build", below=(*_known(facts), key))


def _gate(outcome: Outcome) -> Node:
    figures = ", ".join(f"{name} {value:g}" for name, value in outcome.figures.items())
    value = "; ".join(filter(None, (outcome.outcome, outcome.detail, figures)))
    return Node(label=outcome.name, value=value)


def _known(facts: Mapping[str, str]) -> tuple[Node, ...]:
    return tuple(Node(label=label, value=value) for label, value in facts.items() if value)
