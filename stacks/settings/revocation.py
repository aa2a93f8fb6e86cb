"""Taking a host of the site off the list of those that get credentials, in the stack's file.

The file is edited where the list stands, and nothing else in it changes: comments and layout are
somebody's. What was written is read again before the file is replaced.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator
from typing import Any

import yaml

from landfall import files
from landfall.errors import InvalidInput, LandfallError, Problem
from landfall.model import parsing
from landfall.model.environment import Environment
from stacks.settings.loading import NAMESPACE, file_configuration
from stacks.settings.parts import SiteHosts

WAY = ("config", f"{NAMESPACE}:identity", "siteHosts")
"""Where the settings of the site's hosts stand in a stack's file."""

KEY = "revoked"


def revoke(environment: Environment, host: str) -> bool:
    """Put `host` among the revoked hosts of `environment`. False where it was there already.

    Raises:
        InvalidInput: the environment lets no hosts in, or not this one; or its file is wrong.
    """
    text = plan(environment, host)
    if text is not None:
        files.write(environment.stack_file, text)
    return text is not None


def plan(environment: Environment, host: str) -> str | None:
    """What the stack's file will be. None where `host` is among the revoked hosts already.

    Raises:
        InvalidInput: as `revoke`.
    """
    path = environment.stack_file
    hosts = _hosts(environment)
    if host not in hosts.hosts:
        raise InvalidInput(path.name, [_unknown(host, hosts.hosts)])
    if host in hosts.revoked:
        return None
    before = path.read_text(encoding="utf-8")
    after = with_revoked(before, host)
    if yaml.safe_load(after) != _wanted(before, host):
        raise LandfallError(
            f"{path.name}: {host} could not be written to {'.'.join(WAY)}.{KEY}",
            hint=f"Add it by hand: {KEY}: [{', '.join([*hosts.revoked, host])}]",
        )
    return after


def with_revoked(text: str, host: str) -> str:
    """A stack's file with `host` first among the revoked hosts."""
    node = _at(yaml.compose(text, Loader=yaml.SafeLoader), WAY)
    revoked = _child(node, KEY)
    if revoked is None:
        return _insert(text, node, f"{KEY}: [{host}]")
    return _insert(text, revoked, host)


def _insert(text: str, node: yaml.Node, new: str) -> str:
    """`text` with `new` as the first part of a collection, in the collection's own style."""
    start = node.start_mark.index
    if getattr(node, "flow_style", False):
        between = ", " if node.value else ""
        return text[: start + 1] + new + between + text[start + 1 :]
    # A list in block style begins at its first dash, a mapping at its first key.
    head = "- " if isinstance(node, yaml.SequenceNode) else ""
    indent = " " * node.start_mark.column
    return f"{text[:start]}{head}{new}\n{indent}{text[start:]}"


def _at(node: yaml.Node | None, way: tuple[str, ...]) -> yaml.Node:
    for key in way:
        node = _child(node, key) if node else None
    if node is None:
        raise LandfallError(f"{'.'.join(way)} is not there")
    return node


def _child(node: yaml.Node, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def _wanted(text: str, host: str) -> Any:
    held = copy.deepcopy(yaml.safe_load(text))
    found = held
    for key in WAY:
        found = found[key]
    found[KEY] = [host, *(found.get(KEY) or [])]
    return held


def _hosts(environment: Environment) -> SiteHosts:
    held = file_configuration(environment).get("identity")
    written = held.get(WAY[-1]) if isinstance(held, dict) else None
    path = f"{NAMESPACE}:identity.{WAY[-1]}"
    if written is None:
        problem = Problem(path=path, message="not given: no host of the site gets credentials")
        raise InvalidInput(environment.stack_file.name, [problem])
    return parsing.parse(SiteHosts, written, source=environment.stack_file.name, root=path)


def _unknown(host: str, known: tuple[str, ...]) -> Problem:
    message = f"{host} is not among the hosts; " + "".join(_nearest(host, known))
    return Problem(path=f"{NAMESPACE}:identity.{WAY[-1]}.hosts", message=message)


def _nearest(host: str, known: tuple[str, ...]) -> Iterator[str]:
    close = difflib.get_close_matches(host, known, n=1)
    yield f"did you mean {close[0]}?" if close else f"there are {', '.join(known) or 'none'}"
