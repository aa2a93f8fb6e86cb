"""Roles: every one with the environment's boundary and path, and only what it is for."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from stacks.place import Place


def role(
    name: str,
    place: Place,
    *,
    trust: pulumi.Input[str],
    policy: pulumi.Input[str] | None,
    opts: pulumi.ResourceOptions,
    hours: int = 1,
) -> aws.iam.Role:
    """A role of the environment with one inline policy.

    Args:
        name: the logical name.
        place: whose boundary and path it gets.
        trust: who may assume it, a policy document.
        policy: what it may do, a policy document; None for a role that gets AWS's own policies.
        opts: options of the role and its policy.
        hours: the longest session.
    """
    made = aws.iam.Role(
        name,
        path=place.role_path,
        permissions_boundary=place.permissions_boundary,
        assume_role_policy=trust,
        max_session_duration=hours * 3600,
        opts=opts,
    )
    if policy is not None:
        aws.iam.RolePolicy(name, role=made.id, policy=policy, opts=opts)
    return made
