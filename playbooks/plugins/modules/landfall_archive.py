#!/usr/bin/python
"""Files of the controller in one encrypted archive, and back; no archive is ever in clear."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: landfall_archive
short_description: Files of the controller in one encrypted archive, and back
description:
  - C(kept) writes an archive with a manifest of digests, encrypted to a certificate (CMS with
    AES-256-GCM), reads it back from the disk, and compares the files with the manifest again.
  - C(restored) decrypts it beside the files, compares every byte with the manifest, and then moves
    each file into place. What is there already and differs is refused unless C(replace).
options:
  state:
    description: What is done.
    type: str
    choices: [kept, restored]
    required: true
  root:
    description: The checkout.
    type: path
    required: true
  paths:
    description: Files and folders below it; what is not there is left out and named.
    type: list
    elements: str
    default: []
  archive:
    description: The archive.
    type: path
    required: true
  certificate:
    description: To whom it is encrypted.
    type: path
  key:
    description: The private key. With C(kept) the archive is decrypted again to prove it.
    type: path
  replace:
    description: Files that are there and differ are replaced.
    type: bool
    default: false
author:
  - Landfall
"""

EXAMPLES = r"""
- name: Write a backup
  landfall_archive:
    state: kept
    root: /srv/landfall
    paths: [inventories/prod, releases/prod.yaml]
    archive: /backup/prod.tar.cms
    certificate: /srv/landfall/escrow.pem
"""

RETURN = r"""
archive:
  description: Where it is.
  returned: success
  type: str
files:
  description: How many files the archive holds.
  returned: success
  type: int
missing:
  description: Paths that were asked for and are not there.
  returned: kept
  type: list
  elements: str
sha256:
  description: The digest of the archive.
  returned: success
  type: str
seconds:
  description: How long it took.
  returned: success
  type: float
"""

MANIFEST = "MANIFEST.json"
FORMAT = 1
BLOCK = 1 << 20
MEMORY = "/dev/shm"  # noqa: S108  a folder in memory, and private below


def digest(path: str) -> str:
    """The SHA-256 of a file, read from the disk and not from memory."""
    found = hashlib.sha256()
    with open(path, "rb") as source:
        os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while block := source.read(BLOCK):
            found.update(block)
    return found.hexdigest()


def listed(root: str, paths: list[str]) -> Iterator[str]:
    """Every ordinary file below the paths, as names below `root`. Links are not followed."""
    for path in paths:
        full = os.path.join(root, path)
        if os.path.isfile(full) and not os.path.islink(full):
            yield path
        for folder, folders, names in os.walk(full):
            folders.sort()
            for name in sorted(names):
                each = os.path.join(folder, name)
                if os.path.isfile(each) and not os.path.islink(each):
                    yield os.path.relpath(each, root)


def described(root: str, names: list[str]) -> dict[str, dict[str, Any]]:
    """Digest, size and mode of each file."""
    found = {}
    for name in names:
        path = os.path.join(root, name)
        status = os.stat(path)
        found[name] = {
            "sha256": digest(path),
            "size": status.st_size,
            "mode": status.st_mode & 0o777,
        }
    return found


def private_folder(where: str) -> str:
    """A folder that only this user can enter."""
    return tempfile.mkdtemp(prefix=".landfall-archive-", dir=where)


def pipeline(module: AnsibleModule, *commands: list[str], into: str = "") -> str:
    """Join programs by pipes, so that nothing in clear is written; what the last one prints."""
    text = " | ".join(shlex.join(words) for words in commands)
    text += f" > {shlex.quote(into)}" if into else ""
    code, out, error = module.run_command(["bash", "-o", "pipefail", "-c", text])
    if code:
        module.fail_json(msg=f"{commands[-1][0]} or what fed it failed: {error.strip()}")
    return str(out)


def encrypting(certificate: str) -> list[str]:
    """The program that encrypts what it is fed; GCM, so that a changed byte is an error."""
    return [
        *("openssl", "cms", "-encrypt", "-binary", "-stream", "-aes-256-gcm"),
        *("-outform", "DER", certificate),
    ]


def decrypting(archive: str, key: str) -> list[str]:
    """The program that decrypts an archive."""
    return ["openssl", "cms", "-decrypt", "-inform", "DER", "-in", archive, "-inkey", key]


def keep(module: AnsibleModule) -> dict[str, Any]:
    """Write the archive whole or not at all."""
    given = module.params
    root, archive = given["root"], given["archive"]
    names = list(dict.fromkeys(listed(root, given["paths"])))
    missing = [each for each in given["paths"] if not os.path.exists(os.path.join(root, each))]
    files = described(root, names)
    if not files:
        module.fail_json(msg=f"{root}: nothing of what is asked for is there: {missing}")
    if module.check_mode:
        return {"files": len(files), "missing": missing, "sha256": ""}
    os.makedirs(os.path.dirname(archive), mode=0o700, exist_ok=True)
    work = private_folder(MEMORY if os.access(MEMORY, os.W_OK) else os.path.dirname(archive))
    partial = f"{archive}.part"
    try:
        when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        manifest = {"format": FORMAT, "created": when, "files": files}
        with open(os.path.join(work, MANIFEST), "w", encoding="utf-8") as sink:
            json.dump(manifest, sink, indent=1, sort_keys=True)
        with open(os.path.join(work, "list"), "wb") as listing:
            listing.write(b"\0".join(os.fsencode(name) for name in names))
        packing = ["tar", "--create", "--file=-", f"--directory={work}", MANIFEST]
        packing += [f"--directory={root}", "--no-recursion", "--null"]
        packing += [f"--files-from={os.path.join(work, 'list')}"]
        counting = [["tee", partial], ["sha256sum"]]
        told = pipeline(module, packing, encrypting(given["certificate"]), *counting).split()[0]
        os.chmod(partial, 0o600)
        _prove(module, partial, told, files)
        os.replace(partial, archive)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if os.path.exists(partial):
            os.unlink(partial)
    return {"files": len(files), "missing": missing, "sha256": told}


def _prove(module: AnsibleModule, partial: str, told: str, files: dict[str, Any]) -> None:
    """See that the disk holds what was written, and that no file changed meanwhile."""
    given = module.params
    with open(partial, "rb") as source:
        os.fsync(source.fileno())
    if digest(partial) != told:
        module.fail_json(msg=f"{partial}: the disk does not hold what was written")
    names = [name for name in files if os.path.exists(os.path.join(given["root"], name))]
    if described(given["root"], names) != files:
        module.fail_json(msg="files changed while they were archived; run it again")
    if given["key"]:
        work = private_folder(os.path.dirname(partial))
        try:
            _unpack(module, partial, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _unpack(module: AnsibleModule, archive: str, work: str) -> dict[str, Any]:
    """Decrypt an archive into a private folder and compare every byte; its manifest's files."""
    unpacking = ["tar", "--extract", "--file=-", f"--directory={work}", "--no-same-owner"]
    pipeline(module, decrypting(archive, module.params["key"]), unpacking)
    with open(os.path.join(work, MANIFEST), encoding="utf-8") as source:
        manifest = json.load(source)
    os.unlink(os.path.join(work, MANIFEST))
    if manifest["format"] != FORMAT:
        module.fail_json(msg=f"{archive}: format {manifest['format']}, not {FORMAT}")
    found = described(work, list(listed(work, ["."])))
    found = {os.path.normpath(name): each for name, each in found.items()}
    wanted: dict[str, Any] = manifest["files"]
    wrong = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    if wrong:
        module.fail_json(msg=f"{archive}: not as its manifest says: {', '.join(wrong)}")
    return wanted


def restore(module: AnsibleModule) -> dict[str, Any]:
    """Put every file of the archive into place, once all of them have been compared."""
    given = module.params
    root = given["root"]
    os.makedirs(root, exist_ok=True)
    work = private_folder(root)
    try:
        files = _unpack(module, given["archive"], work)
        there = [name for name in files if os.path.lexists(os.path.join(root, name))]
        ordinary = [name for name in there if os.path.isfile(os.path.join(root, name))]
        known = described(root, ordinary)
        different = [name for name in there if known.get(name) != files[name]]
        if different and not given["replace"]:
            module.fail_json(
                msg=f"{root}: there already, and different: {', '.join(different)}. Nothing was "
                "changed; restore into an empty folder, or replace them."
            )
        moved = [name for name in files if name in different or name not in there]
        for name in [] if module.check_mode else moved:
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.replace(os.path.join(work, name), path)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return {"files": len(files), "changed": bool(moved), "sha256": digest(given["archive"])}


def main() -> None:
    """Do what is asked, and say how long it took."""
    module = AnsibleModule(
        argument_spec={
            "state": {"choices": ["kept", "restored"], "required": True},
            "root": {"type": "path", "required": True},
            "paths": {"type": "list", "elements": "str", "default": []},
            "archive": {"type": "path", "required": True},
            "certificate": {"type": "path"},
            "key": {"type": "path", "no_log": False},
            "replace": {"type": "bool", "default": False},
        },
        required_if=[("state", "kept", ["certificate"]), ("state", "restored", ["key"])],
        supports_check_mode=True,
    )
    os.umask(0o077)
    begun = time.monotonic()
    act = keep if module.params["state"] == "kept" else restore
    result = {"changed": True, **act(module)}
    module.exit_json(
        archive=module.params["archive"], seconds=round(time.monotonic() - begun, 1), **result
    )


if __name__ == "__main__":
    main()
