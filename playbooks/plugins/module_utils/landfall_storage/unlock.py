"""What opens a container at boot, and what guessing a key costs: options and commands."""

from __future__ import annotations

from . import config
from .spec import Spec

KDF_ITERATIONS = 4
"""Argon2's least in cryptsetup. The recovery key has 256 random bits, so that no stretching can
make guessing it harder; the benchmark that would choose a number varies from machine to machine."""


def kdf(spec: Spec) -> tuple[str, ...]:
    """What guessing a key costs, as options of cryptsetup."""
    memory = f"--pbkdf-memory={spec.argon2_memory_kib}"
    return ("--pbkdf=argon2id", memory, f"--pbkdf-force-iterations={KDF_ITERATIONS}")


def enrolment(spec: Spec) -> tuple[tuple[str, ...], ...]:
    """The commands that add what opens the container at boot; the recovery key allows it."""
    if spec.unlock == "tpm2":
        pcrs = "+".join(map(str, spec.pcrs))
        return (
            (
                *("systemd-cryptenroll", "--wipe-slot=tpm2", "--tpm2-device=auto"),
                *(f"--tpm2-pcrs={pcrs}", "--unlock-key-file={key}", spec.device),
            ),
        )
    if spec.unlock == "tang":
        return (("clevis", "luks", "bind", "-y", "-k", "{key}", "-d", spec.device, *clevis(spec)),)
    new = f"{config.KEY_FOLDER}/{spec.name}.key"
    return (
        (
            *("cryptsetup", "luksAddKey", "--batch-mode", *kdf(spec), "--key-slot=1"),
            *("--key-file={key}", spec.device, new),
        ),
        (
            *("cryptsetup", "token", "import", "--json-file={token:landfall-key-file:1}"),
            spec.device,
        ),
    )


def clevis(spec: Spec) -> tuple[str, str]:
    """The pin of clevis and its configuration: any one of the key servers is enough."""
    servers = [f'{{"url":"{each.url}","thp":"{each.thumbprint}"}}' for each in spec.tang]
    if len(servers) == 1:
        return ("tang", servers[0])
    return ("sss", f'{{"t":1,"pins":{{"tang":[{",".join(servers)}]}}}}')
