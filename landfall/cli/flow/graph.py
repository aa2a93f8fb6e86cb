"""A picture of what an environment declares: its components, and which uses which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from landfall import files, process
from landfall.errors import UsageError
from landfall.model.environment import Environment
from stacks import declared
from stacks.declared import Declared

COMPONENT = "landfall:index:"
SHOWN_TYPES = 4
"""So many types of resources are named in a component's box; the rest is counted."""

HEAD = """digraph landfall {
  rankdir=LR; nodesep=0.25; ranksep=0.7; bgcolor="white"
  node [shape=box, style="rounded,filled", fillcolor="#f4f7fb", color="#40608a",
        fontname="Helvetica", fontsize=11, margin="0.15,0.08"]
  edge [color="#8aa0bd", arrowsize=0.6]
"""


def dot(resources: Iterable[Declared]) -> str:
    """The graph in Graphviz's language: a box for each component of the program.

    What more than half of them use is said in its box: so many arrows would hide the others.
    """
    found = {each.urn: each for each in resources}
    owners = {urn: _owner(each, found) for urn, each in found.items()}
    boxes = sorted({each.urn: each for each in owners.values()}.values(), key=_key)
    edges = set(_edges(found, owners))
    users = Counter(used for _, used in edges)
    common = {name for name, number in users.items() if number >= len(boxes) / 2}
    lines = [HEAD]
    for owner in boxes:
        parts = [found[urn] for urn, other in owners.items() if other.urn == owner.urn]
        label = _label(owner, parts)
        if owner.name in common:
            label += f"\\nused by {users[owner.name]} components"
        lines.append(f'  "{owner.name}" [label="{label}"]\n')
    for user, used in sorted(edges):
        if used not in common:
            lines.append(f'  "{user}" -> "{used}"\n')
    return "".join([*lines, "}\n"])


def draw(environment: Environment, path: Path) -> int:
    """Write the picture of an environment to `path`, as its ending says; how many resources.

    Raises:
        UsageError: the ending is neither .dot nor .svg.
        MissingTool: an SVG is wanted and Graphviz is not there.
    """
    if path.suffix not in {".dot", ".svg"}:
        raise UsageError(f"{path}: a picture is .svg (needs Graphviz) or .dot")
    found = declared.rehearse(environment)
    text = dot(found)
    if path.suffix == ".svg":
        program = process.which("dot", hint="apt-get install graphviz, or write a .dot")
        text = process.run([program, "-Tsvg"], stdin=text, what="drawing").stdout
    files.write(path, text)
    return len(found)


def _owner(resource: Declared, among: dict[str, Declared]) -> Declared:
    """The component of the program that a resource is a part of, itself where it is in none."""
    return [resource, *declared.ancestors(resource, among)][-1]


def _edges(found: dict[str, Declared], owners: dict[str, Declared]) -> Iterator[tuple[str, str]]:
    for urn, each in found.items():
        for used in each.uses & found.keys():
            if owners[used].urn != owners[urn].urn:
                yield owners[urn].name, owners[used].name


def _label(owner: Declared, parts: list[Declared]) -> str:
    kinds = Counter(_kind(each) for each in parts if not each.type.startswith(COMPONENT))
    named = [f"{number} {kind}" for kind, number in kinds.most_common(SHOWN_TYPES)]
    more = len(kinds) - len(named)
    title = f"{owner.type.removeprefix(COMPONENT)} {owner.name}"
    return "\\n".join([title, *named, *([f"and {more} kinds more"] if more > 0 else [])])


def _kind(resource: Declared) -> str:
    """A type in short: `ec2 VpcEndpoint`."""
    _, module, name = resource.type.split(":")
    return f"{module.partition('/')[0]} {name}"


def _key(owner: Declared) -> str:
    return owner.name
