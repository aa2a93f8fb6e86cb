"""What every filter needs that gives Ansible's values to Landfall's types, and takes them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from ansible.errors import AnsibleFilterError

from landfall.errors import LandfallError

Value = TypeVar("Value")


def plain(value: Any) -> Any:
    """`value` without Ansible's lazy containers, which pydantic cannot look into."""
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, str) else value


def told_plainly(function: Callable[..., Value]) -> Callable[..., Value]:
    """`function`, whose complaints Ansible shows as they are, once, and not as a traceback."""

    @wraps(function)
    def wrapped(*args: Any, **options: Any) -> Value:
        try:
            return function(*args, **options)
        except LandfallError as error:
            raise AnsibleFilterError(str(error)) from None

    return wrapped
