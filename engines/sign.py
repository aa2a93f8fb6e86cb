"""Signatures over engine folders, with model-signing and elliptic keys (P-256).

A key lies in a file or in a token, and either stands for itself or has a certificate. Both sides
use the same strict settings: left to its defaults, the tool ignores `.git` and `.gitignore`, and a
file added under such a name would pass.
"""

from __future__ import annotations

import base64
import datetime as dt
import importlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines import trust
from landfall.errors import IntegrityError, InvalidInput, MissingTool, Problem

if TYPE_CHECKING:
    from cryptography import x509

PRIVATE_KEY = "signing.key"
PUBLIC_KEY = "signing.pub"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A private key in a PEM file. One with a certificate must have no password: the tool's limit.

    Attributes:
        certificate: of the key; None where the key stands for itself.
        chain: certificates between it and a root, which hosts need and do not have.
    """

    private_key: Path
    password: bytes | None = field(default=None, repr=False)
    certificate: Path | None = None
    chain: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A private key in a token that speaks PKCS #11, which it never leaves.

    Attributes:
        uri: which token and key, as RFC 7512 writes it, such as `pkcs11:token=a;object=b`.
        module: the library of the token's maker.
        pin: opens the token. It goes to the library through memory, not through argv or a file.
    """

    uri: str
    module: Path
    pin: bytes = field(repr=False)
    certificate: Path | None = None
    chain: tuple[Path, ...] = ()


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
    folder: Path,
    signature: Path,
    signer: Path | KeyFile | Token,
    *,
    password: bytes | None = None,
) -> None:
    """Sign every file in `folder`; the signature is written beside it, whole or not at all.

    A path as `signer` is a key file with `password`.

    Raises:
        InvalidInput: the key cannot be used (no such file or token, wrong password or PIN, not an
            elliptic key, a certificate of another key).
        MissingTool: a token is asked for, and the package pykcs11 is not installed.
    """
    if signature.resolve().is_relative_to(folder.resolve()):
        message = "must not lie inside the folder that it signs"
        raise InvalidInput(str(signature), [Problem(path="signature", message=message)])
    if isinstance(signer, Path):
        signer = KeyFile(private_key=signer, password=password)
    partial = signature.with_name(f"{signature.name}.part")
    config = _token(signer) if isinstance(signer, Token) else _key_file(signer)
    try:
        config.set_hashing_config(_strict()).sign(str(folder), str(partial))
        partial.replace(signature)
    finally:
        partial.unlink(missing_ok=True)


def verify(
    folder: Path, signature: Path, public_key: Path, *, now: dt.datetime | None = None
) -> str:
    """Check that `folder` holds exactly what was signed by somebody who is believed; the signer.

    Args:
        folder: the engine.
        signature: over it.
        public_key: a PEM file with the public key, or with roots and their revocation lists.
        now: the moment as of which certificates are checked; the present one where None.

    Raises:
        IntegrityError: it does not; says why, as far as the tool does.
    """
    for path, what in ((folder, "engine"), (signature, "signature"), (public_key, "public key")):
        if not path.exists():
            raise IntegrityError(f"{folder} was not verified: the {what} {path} does not exist")
    try:
        believed = trust.read(public_key)
        # Read once: what is checked here is what the tool checks.
        content = signature.read_bytes()
        verifier = _tool().verifying.Config()
        if believed.roots:
            signer = trust.check(believed, _chain(content), now=now or dt.datetime.now(dt.UTC))
            verifier.use_certificate_verifier(certificate_chain=[str(public_key)])
        else:
            verifier.use_elliptic_key_verifier(public_key=str(public_key))
            signer = f"key {_hint(content)[:16]}"
        with _in_memory(content) as copy:
            verifier.set_hashing_config(_strict()).verify(str(folder), copy)
    except Exception as error:  # ValueError, InvalidSignature, JSONDecodeError, KeyError...
        raise IntegrityError(
            f"{folder} is not what was signed: {_reason(error)}",
            hint="It was changed after signing, or signed with another key. It is not loaded.",
        ) from error
    return signer


def _key_file(signer: KeyFile) -> Any:
    config = _tool().signing.Config()
    try:
        if signer.certificate is None:
            return config.use_elliptic_key_signer(
                private_key=str(signer.private_key), password=signer.password
            )
        return config.use_certificate_signer(
            private_key=str(signer.private_key),
            signing_certificate=str(signer.certificate),
            certificate_chain=[str(each) for each in _above(signer)],
        )
    except Exception as error:  # the tool lets errors of several libraries through
        raise _unusable(str(signer.private_key), "not a usable private key", error) from error


def _token(signer: Token) -> Any:
    if "pin-value" in signer.uri or "pin-source" in signer.uri:
        message = "must not name a PIN: it would show in lists of processes and in logs"
        raise InvalidInput("token", [Problem(path="uri", message=message)])
    try:
        importlib.import_module("PyKCS11")  # the tool imports it late, and hides why it could not
    except ImportError as error:
        raise MissingTool(
            "signing with a token needs the package pykcs11", hint="Set up with the extra token."
        ) from error
    config = _tool().signing.Config()
    with _in_memory(signer.pin) as pin:
        end = f"module-path={signer.module}&pin-source=file:{pin}"
        uri = f"{signer.uri}{_joint(signer.uri)}{end}"
        try:
            if signer.certificate is None:
                return config.use_pkcs11_signer(pkcs11_uri=uri)
            config._signer = _certified()(uri, signer.certificate, _above(signer))
        except Exception as error:
            raise _unusable(signer.uri, "the token's key cannot be used", error) from error
    return config


def _above(signer: KeyFile | Token) -> list[Path]:
    """The chain; where it is empty the certificate itself, as the tool cannot read nothing."""
    return [*signer.chain] or [each for each in (signer.certificate,) if each]


def _certified() -> Any:
    """The tool's signer for tokens, writing its certificate as the one for files does.

    model-signing 1.1.1 hands over raw bytes where its own type takes base64, and fails.
    """
    from model_signing._signing import sign_certificate, sign_pkcs11

    class Certified(sign_pkcs11.CertSigner):
        _get_verification_material = sign_certificate.Signer._get_verification_material

    return Certified


def _chain(signature: bytes) -> list[x509.Certificate]:
    from cryptography import x509

    material = json.loads(signature)["verificationMaterial"]
    if "x509CertificateChain" not in material:
        raise ValueError("it was signed with a key alone, and a certificate is asked for")
    written = material["x509CertificateChain"]["certificates"]
    return [x509.load_der_x509_certificate(base64.b64decode(each["rawBytes"])) for each in written]


def _hint(signature: bytes) -> str:
    """The digest of the key that a signature names."""
    return str(json.loads(signature)["verificationMaterial"]["publicKey"]["hint"])


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A path, for this process alone and as long as this lasts, at which `content` can be read."""
    descriptor = os.memfd_create("landfall", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as stream:
            stream.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _joint(uri: str) -> str:
    return "&" if "?" in uri else "?"


def _unusable(source: str, what: str, error: Exception) -> InvalidInput:
    return InvalidInput(source, [Problem(path="", message=f"{what}: {_reason(error)}")])


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
