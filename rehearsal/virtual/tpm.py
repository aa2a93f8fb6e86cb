"""A TPM 2.0 in software, with its memory in the server's folder."""

from __future__ import annotations

from pathlib import Path

from landfall import process
from landfall.errors import Unreachable

START_TIMEOUT_S = 20.0


def start(folder: Path, socket: Path, record: Path) -> None:
    """Run the TPM, whose memory is kept; it ends with the server that it belongs to.

    Raises:
        Unreachable: it did not start; the message quotes its log.
    """
    if process.recorded(record) is not None:
        return
    memory = folder / "tpm"
    if not (memory / "tpm2-00.permall").exists():
        memory.mkdir(exist_ok=True)
        setup = ["swtpm_setup", "--tpm2", "--tpmstate", str(memory), "--overwrite"]
        process.run([*setup, "--pcr-banks", "sha256"], what="swtpm_setup")
    socket.unlink(missing_ok=True)
    command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={memory}", "--terminate"]
    options = ["--ctrl", f"type=unixio,path={socket}", "--flags", "startup-clear"]
    log = folder / "tpm.log"
    daemon = process.spawn([*command, *options], name="TPM", record=record, log=log)
    process.wait_until(lambda: socket.exists() or not daemon.alive(), timeout_s=START_TIMEOUT_S)
    if not socket.exists():
        raise Unreachable(f"the TPM did not start\n{daemon.tail()}")
