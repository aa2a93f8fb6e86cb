"""What runs is named by its digest, not by a name that can move."""

import re
from collections.abc import Iterator

from stacks.policy.containers import CONTAINERS, containers
from stacks.policy.rule import Finding, Resource, Rule, Severity, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN

DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """The image of each container ends with its digest."""
    for where, container in containers(resource):
        image = container.get("image")
        if image is UNKNOWN:
            yield undecided(f"{where}.image")
        elif not DIGEST.fullmatch(str(image)):
            message = f"{image} can change; name it by digest, as name@sha256:..."
            yield Finding(path=f"{where}.image", message=message)


RULE = Rule(
    name="images-by-digest",
    description="Containers of tasks, jobs and functions name their image by digest.",
    severity=Severity.HIGH,
    supports=("SI-7", "SR-11", "CM-2", "164.312(c)(1)", "DORA 9"),
    remedy="Write the image as repository@sha256:digest.",
    types=CONTAINERS,
    check=check,
)
