"""The cloud half: what Pulumi provisions for an environment.

The only package that imports pulumi. One component for each file; `deploy` is the parts list.
"""

from stacks.program import deploy

__all__ = ["deploy"]
