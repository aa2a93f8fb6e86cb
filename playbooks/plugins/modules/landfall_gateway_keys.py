#!/usr/bin/python
"""Keep the gateway's API keys on a host as one encrypted credential."""

from __future__ import annotations

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.landfall_systemd_creds import decrypt, encrypt

DOCUMENTATION = r"""
module: landfall_gateway_keys
short_description: Keep the gateway's API keys on a host as one encrypted credential
description:
  - Lays out a map from API key to tenant and keeps it encrypted with the host's own key.
  - Compares the decrypted content with what is wanted, so that a second run changes nothing.
  - Keys appear neither in the result nor in a diff, which name the tenants only.
options:
  path:
    description: The encrypted credential.
    type: path
    required: true
  name:
    description: The name of the credential, which is sealed into it.
    type: str
    required: true
  keys:
    description: The API key of each tenant.
    type: dict
    required: true
author:
  - Landfall
"""

EXAMPLES = r"""
- name: Keep the keys
  landfall_gateway_keys:
    path: /etc/credstore.encrypted/landfall-gateway-keys
    name: landfall-gateway-keys
    keys:
      clinic: "{{ lookup('amazon.aws.secretsmanager_secret', 'landfall/dev/gateway/clinic') }}"
"""

RETURN = r"""
tenants:
  description: The tenants that have a key afterwards.
  returned: always
  type: list
  elements: str
"""

KEY = re.compile(r"[A-Za-z0-9_-]{16,256}")
"""What a key may look like: no character that a configuration or an expression could read."""

TENANT = re.compile(r"[a-z][a-z0-9-]{0,30}")


def problems(keys: dict[str, Any]) -> list[str]:
    """What is wrong with the keys, by tenant; never shows a key."""
    found = [f"{each!r} is not a tenant's name" for each in keys if not TENANT.fullmatch(each)]
    found += [
        f"the key of {tenant} must be 16 to 256 letters, digits, - and _"
        for tenant, key in sorted(keys.items())
        if not isinstance(key, str) or not KEY.fullmatch(key)
    ]
    if len(set(map(str, keys.values()))) < len(keys):
        found.append("two tenants have the same key")
    return found


def layout(keys: dict[str, Any]) -> str:
    """The lines that the gateway includes in its map from Authorization to tenant."""
    lines = [f'"~^(?i:bearer) {key}$" {tenant};\n' for tenant, key in sorted(keys.items())]
    return "".join(lines)


def tenants_of(text: str) -> list[str]:
    """The tenants that laid out keys belong to."""
    return sorted(line.rstrip(";").rsplit(" ", 1)[1] for line in text.splitlines() if line)


def main() -> None:
    """Compare, and write what differs."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "keys": {"type": "dict", "required": True, "no_log": True},
        },
        supports_check_mode=True,
    )
    path, name, keys = (module.params[each] for each in ("path", "name", "keys"))
    wrong = problems(keys)
    if wrong:
        module.fail_json(msg="; ".join(wrong))
    wanted, present = layout(keys), decrypt(module, path, name)
    changed = wanted != present
    if changed and not module.check_mode:
        encrypt(module, path, name, wanted)
    result: dict[str, Any] = {"changed": changed, "tenants": sorted(keys)}
    if changed:
        result["diff"] = {
            "before_header": path,
            "after_header": path,
            "before": "".join(f"{each}: key\n" for each in tenants_of(present or "")),
            "after": "".join(f"{each}: key\n" for each in sorted(keys)),
        }
        if present is not None and result["diff"]["before"] == result["diff"]["after"]:
            result["diff"]["after"] += "a key changed; its value is not shown\n"
    module.exit_json(**result)


if __name__ == "__main__":
    main()
