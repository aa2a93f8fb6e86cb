"""The tunnels' keys, from what the secrets manager holds to what strongSwan reads."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from landfall.errors import InvalidInput, Problem
from landfall.filters import told_plainly


def link_keys(edge: Mapping[str, Any]) -> list[str]:
    """The secrets to be read for an edge, each once."""
    return list(dict.fromkeys(each["key"] for each in edge["tunnels"] if each["key"]))


def link_secrets(edge: Mapping[str, Any], texts: Sequence[str]) -> str:
    """The keys of an edge's tunnels as swanctl includes them. `texts` are in `link_keys`' order."""
    read = dict(zip(link_keys(edge), texts, strict=True))
    lines = ["secrets {"]
    for tunnel in edge["tunnels"]:
        key = preshared_key(read[tunnel["key"]], tunnel)
        coded = base64.b64encode(key.encode()).decode()
        lines += [
            f"    ike-{tunnel['name']} {{",
            f"        id-1 = {edge['address']}",
            f"        id-2 = {tunnel['cloud_address']}",
            f"        secret = 0s{coded}",
            "    }",
        ]
    return "\n".join([*lines, "}", ""])


def preshared_key(text: str, tunnel: Mapping[str, Any]) -> str:
    """One tunnel's key in what the secrets manager holds: a key for both, or one for each.

    Where it is JSON, a tunnel's entry is known by its outside address or its number.

    Raises:
        InvalidInput: there is no such entry; names the entries, never their values.
    """
    try:
        written = json.loads(text)
    except ValueError:
        return text
    entries = dict(_entries(written))
    wanted = (str(tunnel["cloud_address"]), f"{tunnel['number']}")
    for mark in wanted:
        found = [value for name, value in entries.items() if _names(name, mark)]
        if len(found) == 1:
            return found[0]
    message = f"no entry for {' or '.join(wanted)}; it has {', '.join(entries) or 'none'}"
    where = f"the secret of {tunnel['name']}"
    raise InvalidInput(where, [Problem(path="", message=message)])


def _entries(written: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a secret, under the names that lead to it."""
    if isinstance(written, Mapping):
        for name, value in written.items():
            yield from _entries(value, f"{path}/{name}")
    elif isinstance(written, list):
        for index, value in enumerate(written, start=1):
            yield from _entries(value, f"{path}/{index}")
    elif isinstance(written, str):
        yield path, written


def _names(path: str, mark: str) -> bool:
    """Whether an entry's path speaks of a tunnel: its address, or a word with its number."""
    words = path.strip("/").split("/")
    if "." in mark:
        return mark in words
    return any(word.rstrip("0123456789") + mark == word for word in words)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {each.__name__: told_plainly(each) for each in (link_keys, link_secrets)}
