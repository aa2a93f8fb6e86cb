"""Encrypted credentials of a host (systemd-creds(1)), read and written by modules."""

from __future__ import annotations

import os
import tempfile
from typing import Any


def decrypt(module: Any, path: str, name: str) -> str | None:
    """The content of the credential, or None where it is not there or not this host's."""
    if not os.path.exists(path):
        return None
    command = ["systemd-creds", "decrypt", f"--name={name}", path, "-"]
    code, out, _ = module.run_command(command)
    return str(out) if code == 0 else None


def encrypt(module: Any, path: str, name: str, text: str) -> None:
    """Write the credential anew, whole or not at all. The content goes through a pipe."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=".landfall-", dir=folder)
    os.close(handle)
    os.unlink(partial)
    command = ["systemd-creds", "encrypt", "--with-key=host", f"--name={name}", "-", partial]
    code, _, error = module.run_command(command, data=text, binary_data=True)
    if code != 0:
        module.fail_json(msg=f"systemd-creds encrypt failed: {error.strip()}")
    os.chmod(partial, 0o600)
    os.replace(partial, path)
