"""The cloud half: what Pulumi provisions for an environment.

The only package that imports pulumi. One component for each file; `deploy` is the parts list.
"""


def deploy() -> None:
    """Declare every resource of the current environment."""
    # Imported here: the policy pack is a program of its own, and needs none of the cloud's SDK.
    from stacks.memory import for_this_program
    from stacks.program import deploy as declare

    for_this_program()
    declare()


__all__ = ["deploy"]
