#!/usr/bin/python
"""Keep a secret text on a host as one encrypted credential."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.landfall_systemd_creds import decrypt, encrypt

DOCUMENTATION = r"""
module: landfall_credential
short_description: Keep a secret text on a host as one encrypted credential
description:
  - Keeps the text encrypted with the host's own key (C(systemd-creds)).
  - Compares the decrypted content with what is wanted, so that a second run changes nothing.
  - The text appears neither in the result nor in a diff, which names its labels only.
options:
  path:
    description: The encrypted credential.
    type: path
    required: true
  name:
    description: The name of the credential, which is sealed into it.
    type: str
    required: true
  text:
    description: What is kept.
    type: str
    required: true
  labels:
    description: What the text is about, for the diff; no secrets.
    type: list
    elements: str
    default: []
author:
  - Landfall
"""

EXAMPLES = r"""
- name: Keep the tunnels' keys
  landfall_credential:
    path: /etc/credstore.encrypted/landfall-link-keys
    name: landfall-link-keys
    text: "{{ __link_secrets }}"
    labels: [edge-a-1, edge-a-2]
"""

RETURN = r"""
labels:
  description: What is kept afterwards, by its labels.
  returned: always
  type: list
  elements: str
"""


def main() -> None:
    """Compare, and write what differs."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "text": {"type": "str", "required": True, "no_log": True},
            "labels": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    path, name, text = (module.params[each] for each in ("path", "name", "text"))
    present = decrypt(module, path, name)
    changed = present != text
    if changed and not module.check_mode:
        encrypt(module, path, name, text)
    labels = sorted(module.params["labels"])
    result: dict[str, Any] = {"changed": changed, "labels": labels}
    if changed:
        after = "".join(f"{each}: key\n" for each in labels)
        what = "" if present is None else "content changed; it is not shown\n"
        result["diff"] = {"before_header": path, "after_header": path,
                          "before": "", "after": after + what}  # fmt: skip
    module.exit_json(**result)


if __name__ == "__main__":
    main()
