"""What an environment's cloud half costs a month, at dated list prices."""

from __future__ import annotations

from collections.abc import Iterator

from landfall import cost
from landfall.cost import Assumptions, Estimate, Resource
from landfall.model.environment import Environment
from stacks import declared
from stacks.declared import Declared
from stacks.settings import Settings, check_file


def estimate(environment: Environment) -> Estimate:
    """The estimate for all that the environment declares, rehearsed offline.

    Raises:
        InvalidInput: the configuration is wrong.
    """
    settings = check_file(environment).settings
    found = declared.rehearse(environment)
    assumed = Assumptions(training_hours=settings.training.hours_per_month)
    return cost.monthly(rows(found, settings), assumed)


def rows(found: tuple[Declared, ...], settings: Settings) -> Iterator[Resource]:
    """Declared resources as the cost model reads them; components and objects cost nothing."""
    for each in found:
        if each.type.startswith("aws:"):
            region = str(each.inputs.get("region") or settings.region)
            yield Resource(
                type=each.type, name=each.name, props=each.inputs, region=region, id=each.id
            )
