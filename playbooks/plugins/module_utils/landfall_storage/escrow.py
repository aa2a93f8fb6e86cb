"""What opens a container when nothing else does, encrypted to a certificate of the site.

Three files for each array: its LUKS header (`header.cms`), its recovery key (`recovery.cms`) and
what they belong to (`manifest.json`). Only the private key of the certificate, which is in a safe,
reads the first two: `openssl cms -decrypt -inform DER -inkey KEY -in recovery.cms`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import journal
from .facts import Journal
from .spec import Spec

HEADER, RECOVERY, MANIFEST = "header.cms", "recovery.cms", "manifest.json"
FILES = (HEADER, RECOVERY, MANIFEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """Digests of the files, and the epoch of the header that was backed up."""

    digests: dict[str, str]
    epoch: int


def seal(
    call: Callable[[Sequence[str]], str],
    spec: Spec,
    written: Journal,
    *,
    certificate: str,
    key_file: Path | None,
    folder: Path,
    memory: Path,
) -> Sealed:
    """Write the files anew; without `key_file` the encrypted recovery key stays as it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    memory.mkdir(mode=0o700, parents=True, exist_ok=True)
    public, header = memory / "escrow.pem", memory / f"{spec.name}.header"
    public.write_text(certificate)
    header.unlink(missing_ok=True)
    call(["cryptsetup", "luksHeaderBackup", spec.device, f"--header-backup-file={header}"])
    epoch = _epoch(call(["cryptsetup", "luksDump", str(header)]))
    digests = dict(written.digests)
    digests[HEADER] = _encrypt(call, header, folder / HEADER, public)
    header.unlink()
    if key_file is not None:
        digests[RECOVERY] = _encrypt(call, key_file, folder / RECOVERY, public)
    text = manifest(spec, written, digests, certificate)
    journal.replace_file(folder / MANIFEST, text, mode=0o600)
    digests[MANIFEST] = hashlib.sha256(text.encode()).hexdigest()
    public.unlink()
    return Sealed(digests=digests, epoch=epoch)


def manifest(spec: Spec, written: Journal, digests: dict[str, str], certificate: str) -> str:
    """What the encrypted files belong to; nothing in it is secret."""
    found = {
        "host": spec.host,
        "array": spec.name,
        "members": list(written.members),
        "spares": list(written.spares),
        "md_uuid": written.md,
        "luks_uuid": written.luks,
        "filesystem_uuid": written.filesystem,
        "certificate_sha256": hashlib.sha256(certificate.encode()).hexdigest(),
        "sha256": {name: digests[name] for name in (HEADER, RECOVERY) if name in digests},
    }
    return json.dumps(found, indent=2, sort_keys=True) + "\n"


def _encrypt(call: Callable[[Sequence[str]], str], source: Path, target: Path, public: Path) -> str:
    """Encrypt a file to the certificate, whole or not at all; the digest of the result."""
    partial = target.with_name(f".{target.name}.landfall-new")
    call(
        [
            *("openssl", "cms", "-encrypt", "-binary", "-aes-256-gcm", "-outform", "DER"),
            *("-in", str(source), "-out", str(partial), str(public)),
        ]
    )
    content = partial.read_bytes()
    journal.replace_file(target, content, mode=0o600)
    partial.unlink(missing_ok=True)
    return hashlib.sha256(content).hexdigest()


def _epoch(dump: str) -> int:
    for line in dump.splitlines():
        if line.startswith("Epoch:"):
            return int(line.split()[1])
    return 0
