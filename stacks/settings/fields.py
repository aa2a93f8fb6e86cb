"""What the groups of keys share: spelling, and the forms of names and ids."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from landfall.model.parsing import Written


class Configured(Written):
    """A group of keys. Files write them in camelCase, as Pulumi does."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
Zone = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d[a-z]$")]
Account = Annotated[str, Field(pattern=r"^\d{12}$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Arn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:\d*:.+")]
MachineImage = Annotated[str, Field(pattern=r"^(ami-[0-9a-f]{8,17}|resolve:ssm:/[\w./-]+)$")]
ContainerImage = Annotated[str, Field(pattern=r"^[a-z0-9./_-]+@sha256:[0-9a-f]{64}$")]
"""A repository of the environment's own registry with a digest; a tag may be moved, so none."""


def resource_id(prefix: str) -> str:
    """The pattern of an id such as `vpc-0a1b2c3d`, for `Field`."""
    return rf"^{prefix}-[0-9a-f]{{8,17}}$"


RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
)  # fmt: skip
"""What CloudWatch Logs accepts (its API, PutRetentionPolicy)."""


def retention(days: int) -> int:
    """`days`, if CloudWatch Logs can keep a log that long.

    Raises:
        ValueError: it cannot; the message names the next longer time that it can.
    """
    if days not in RETENTION_DAYS:
        longer = next((each for each in RETENTION_DAYS if each > days), RETENTION_DAYS[-1])
        raise ValueError(f"{days} days cannot be had; CloudWatch Logs offers {longer}")
    return days
