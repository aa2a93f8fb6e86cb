"""The Pulumi program: `pulumi up` in the repository root runs this file."""

from stacks import deploy

deploy()
