"""Signatures over engine folders, with model-signing and elliptic keys (P-256).

Both sides use the same strict settings: left to its defaults, the tool ignores `.git` and
`.gitignore`, and a file added under such a name would pass.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from landfall.errors import IntegrityError, InvalidInput, Problem

PRIVATE_KEY = "signing.key"
PUBLIC_KEY = "signing.pub"


def generate_keys(folder: Path, *, password: bytes | None = None) -> tuple[Path, Path]:
    """Make a key pair in `folder`, unless there is one; private and public file.

    For rehearsals: elsewhere the private key lives in a token. Without a password the private
    key is readable by its owner only.
    """
    private, public = folder / PRIVATE_KEY, folder / PUBLIC_KEY
    if private.exists() and public.exists():
        return private, public
    # Comes with model-signing. Hosts only verify, so it is not loaded there.
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.mkdir(parents=True, exist_ok=True)
    pair = ec.generate_private_key(ec.SECP256R1())
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        protection = serialization.BestAvailableEncryption(password)
    encoding = serialization.Encoding.PEM
    _write(
        private,
        pair.private_bytes(encoding, serialization.PrivateFormat.PKCS8, protection),
        mode=0o600,
    )
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    _write(public, pair.public_key().public_bytes(encoding, form), mode=0o644)
    return private, public


def sign(
    folder: Path, signature: Path, private_key: Path, *, password: bytes | None = None
) -> None:
    """Sign every file in `folder`; the signature is written beside it, whole or not at all.

    Raises:
        InvalidInput: the key cannot be read (no such file, wrong password, not an elliptic key).
    """
    if signature.resolve().is_relative_to(folder.resolve()):
        message = "must not lie inside the folder that it signs"
        raise InvalidInput(str(signature), [Problem(path="signature", message=message)])
    partial = signature.with_name(f"{signature.name}.part")
    signer = _tool().signing.Config()
    try:
        signer.use_elliptic_key_signer(private_key=str(private_key), password=password)
    except Exception as error:  # the tool lets errors of several libraries through
        reason = _reason(error)
        raise InvalidInput(
            str(private_key), [Problem(path="", message=f"not a usable private key: {reason}")]
        ) from error
    try:
        signer.set_hashing_config(_strict()).sign(str(folder), str(partial))
        partial.replace(signature)
    finally:
        partial.unlink(missing_ok=True)


def verify(folder: Path, signature: Path, public_key: Path) -> None:
    """Check that `folder` holds exactly what was signed with this key.

    Raises:
        IntegrityError: it does not; says why, as far as the tool does.
    """
    for path, what in ((folder, "engine"), (signature, "signature"), (public_key, "public key")):
        if not path.exists():
            raise IntegrityError(f"{folder} was not verified: the {what} {path} does not exist")
    try:
        verifier = _tool().verifying.Config()
        verifier.use_elliptic_key_verifier(public_key=str(public_key))
        verifier.set_hashing_config(_strict()).verify(str(folder), str(signature))
    except Exception as error:  # ValueError, InvalidSignature, JSONDecodeError, KeyError...
        raise IntegrityError(
            f"{folder} is not what was signed: {_reason(error)}",
            hint="It was changed after signing, or signed with another key. It is not loaded.",
        ) from error


def _tool() -> Any:
    # Slow to import (a second), and its types are wrong: a password must be bytes.
    import model_signing

    return model_signing


def _strict() -> Any:
    return _tool().hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=False)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__


def _write(path: Path, content: bytes, *, mode: int) -> None:
    partial = path.with_name(f"{path.name}.part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    partial.replace(path)
