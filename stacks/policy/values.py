"""Property values as rules see them: plain data, and one value for "not known before `up`"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn


class NotYetKnown(Exception):
    """A value that a rule needs is known only once `up` has made another resource."""

    def __init__(self, path: str = "") -> None:
        super().__init__(path)
        self.path = path


class Unknown:
    """Stands for a value that is not known yet. Using it as a value raises `NotYetKnown`.

    A rule that forgets about it is then undecided, and says so; it never passes by accident.
    """

    def _refuse(self, *_: object) -> NoReturn:
        raise NotYetKnown

    __bool__ = __iter__ = __getitem__ = __contains__ = __len__ = __lt__ = __gt__ = _refuse

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotYetKnown

    def __repr__(self) -> str:
        return "[unknown]"


UNKNOWN: Final = Unknown()

MARKS = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""What the engine writes for a boolean, number, string, list or object that is not known yet
(pulumi sdk, resource/plugin/rpc.go)."""


SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key of an object that stands for a special value, a secret say (pulumi sdk, resource.Sig)."""


def plain(value: Any) -> Any:
    """Engine values as plain ones, at any depth: marks become `UNKNOWN`, secrets their value."""
    if isinstance(value, str):
        return UNKNOWN if value in MARKS else value
    if isinstance(value, Mapping):
        if SIGNATURE in value:
            return plain(value.get("value"))
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def at(value: Any, path: str, *, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every value at a dotted path, with the path that it really has; a list is gone through.

    What is absent is None, also below an empty list; below something unknown all is `UNKNOWN`.
    """
    if value == [] and path:
        yield f"{where}.{path}".strip("."), None
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from at(each, path, where=f"{where}[{index}]")
    elif value is UNKNOWN or value is None or not path:
        rest = f"{where}.{path}".strip(".") if path else where
        yield rest, value
    else:
        name, _, rest = path.partition(".")
        child = value.get(name) if isinstance(value, Mapping) else None
        yield from at(child, rest, where=f"{where}.{name}".lstrip("."))


def truth(value: Any) -> Any:
    """True and False also where AWS's launch templates write them as text."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def items(value: Any, path: str) -> list[Any]:
    """A list as it is, one value as a list of one, nothing as an empty list.

    Raises:
        NotYetKnown: the list itself is not known yet.
    """
    if value is UNKNOWN:
        raise NotYetKnown(path)
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
