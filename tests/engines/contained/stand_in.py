#!/usr/bin/env python3
"""Stands in for podman, for nsenter, and for the tools of an image, in tests without root.

`podman run` really starts the tool as a process of its own that outlives podman, as conmon keeps a
container. There is no mount namespace: a tool finds what it was given through MOUNTS, and may
write only where a mount lets it. What goes wrong is told by the file behaviour.json beside it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WHOLE = ("--read-only", "--cap-drop=all", "--network=none", "--pull=never", "--http-proxy=false")


def behaviour(tool: str) -> dict[str, Any]:
    path = HERE / "behaviour.json"
    return dict(json.loads(path.read_text()).get(tool, {})) if path.exists() else {}


def podman(argv: list[str]) -> int:
    if argv == ["--version"]:
        print("podman version 4.3.1")
        return 0
    if argv[:2] == ["image", "exists"]:
        return 0 if argv[2] in (HERE / "images").read_text().split() else 1
    record = HERE / "containers" / argv[-1]
    if argv[0] == "inspect":
        if not record.exists():
            return 125
        print(record.read_text())
        return 0
    if argv[0] == "rm":
        if record.exists():
            end(int(record.read_text()))
            record.unlink()
        return 0
    return run(argv[1:])


def end(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    while Path(f"/proc/{pid}").exists() and state(pid) != "Z":
        time.sleep(0.01)


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def run(argv: list[str]) -> int:
    image = next(index for index, word in enumerate(argv) if not word.startswith("--"))
    flags = argv[:image]
    [program] = [flag.partition("=")[2] for flag in flags if flag.startswith("--entrypoint=")]
    command = [program, *argv[image + 1 :]]
    missing = [flag for flag in WHOLE if flag not in flags]
    if missing or argv[image] not in (HERE / "images").read_text().split():
        print(f"podman: {missing or argv[image]}", file=sys.stderr)
        return 125
    name = next(flag.partition("=")[2] for flag in flags if flag.startswith("--name="))
    mounts = dict(mount(flag) for flag in flags if flag.startswith("--mount="))
    environment = dict(flag[6:].split("=", 1) for flag in flags if flag.startswith("--env="))
    with (HERE / "calls").open("a") as log:
        log.write(json.dumps({"argv": command, "flags": flags, "mounts": mounts}) + "\n")
    told = {"MOUNTS": json.dumps(mounts), "BUILDER": str(os.getppid()), **environment}
    child = subprocess.Popen(
        [sys.executable, str(HERE / "tools"), *command],
        env={"PATH": os.environ["PATH"], **told},
        start_new_session=True,
    )
    (HERE / "containers" / name).write_text(str(child.pid))
    code = child.wait()
    return 128 - code if code < 0 else code


def mount(flag: str) -> tuple[str, list[Any]]:
    words = dict(part.partition("=")[::2] for part in flag.partition("=")[2].split(","))
    return words["target"], [words["source"], "readonly" not in words]


def resolve(path: str, *, write: bool = False) -> Path:
    mounts = json.loads(os.environ["MOUNTS"])
    target = max((each for each in mounts if path.startswith(each)), key=len, default="")
    source, writable = mounts.get(target, ("/nowhere", False))
    if write and not writable:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
    return Path(source + path.removeprefix(target))


def tool(argv: list[str]) -> int:
    name = next((Path(word).name for word in argv if Path(word).name in TOOLS), "")
    if not name:
        return 127
    wanted = behaviour(name)
    print(f"{name} begins, telemetry off is {os.environ.get('DO_NOT_TRACK')}", flush=True)
    if "say" in wanted:
        print(wanted["say"], file=sys.stderr, flush=True)
    if "code" in wanted:
        return int(wanted["code"])
    return TOOLS[name](argv, wanted)


def option(argv: list[str], name: str) -> str:
    return argv[argv.index(name) + 1] if name in argv else ""


def write(path: str, content: bytes, wanted: dict[str, Any]) -> None:
    """Write in two halves; between them what is wanted happens."""
    target = resolve(path, write=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as stream:
        stream.write(content[: len(content) // 2])
        stream.flush()
        if wanted.get("kill"):
            os.kill(int(os.environ["BUILDER"]), signal.SIGKILL)
            time.sleep(60)
        stream.write(content[len(content) // 2 :] + b"\0" * int(wanted.get("bytes", 0)))


def convert(argv: list[str], wanted: dict[str, Any]) -> int:
    if wanted.get("nothing"):
        return 0
    weights = sorted(resolve(option(argv, "--model_dir")).glob("*.safetensors"))
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in weights)).hexdigest()
    out = option(argv, "--output_dir")
    try:
        write(f"{out}/rank0.safetensors", digest.encode(), wanted)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    write(f"{out}/config.json", b"{}", {})
    return 0


def build(argv: list[str], wanted: dict[str, Any]) -> int:
    timings = option(argv, "--input_timing_cache")
    known = resolve(timings).read_bytes() if timings else b"measured anew"
    checkpoint = resolve(option(argv, "--checkpoint_dir")) / "rank0.safetensors"
    forgets = str(wanted.get("forgets", 0)).encode()
    out = option(argv, "--output_dir")
    write(f"{out}/rank0.engine", checkpoint.read_bytes() + b" " + forgets, wanted)
    write(f"{out}/config.json", b'{"version": "1.2.1"}', {})
    write(option(argv, "--output_timing_cache"), known + b"+", {})
    return 0


def serve(argv: list[str], wanted: dict[str, Any]) -> int:
    if wanted.get("kill"):
        os.kill(int(os.environ["BUILDER"]), signal.SIGKILL)
        time.sleep(60)
    served = next(word for word in argv if word in ("/model", "/work/engine", "/work/checkpoint"))
    told = json.loads((resolve("/model") / "tokenizer_config.json").read_text())
    Server.known = tuple(told["knows"])
    Server.told_of_prompts = argv[0] == "vllm"
    engine = resolve(served) / "rank0.engine"
    Server.forgets = int(engine.read_text().split()[1]) if engine.exists() else 0
    Server.forgets = Server.forgets or int(wanted.get("forgets", 0))
    Server.moody = bool(wanted.get("moody"))
    port = int(option(argv, "--port"))
    ThreadingHTTPServer(("127.0.0.1", port), Server).serve_forever()
    return 0


class Server(BaseHTTPRequestHandler):
    """Goes on with the text that it knows; forgets every so many-th word of it."""

    protocol_version = "HTTP/1.1"
    known: tuple[str, ...] = ()
    forgets = 0
    told_of_prompts = False
    moody = False
    asked = 0

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        self.answer({"data": [{"id": "engine"}]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = asked["prompt"].split()
        if asked.get("stream"):
            self.stream(self.following(words, asked["max_tokens"]))
            return
        values = [None, *(-1.0 if self.knows(words, i) else -6.0 for i in range(1, len(words)))]
        values = [*values, -1.0] if self.told_of_prompts else [-1.0]
        usage = {"prompt_tokens": len(words)}
        self.answer({"choices": [{"logprobs": {"token_logprobs": values}}], "usage": usage})

    def knows(self, words: list[str], index: int) -> bool:
        return self.following(words[:index], 1) == [words[index]]

    def following(self, words: Sequence[str], count: int) -> list[str]:
        Server.asked += 1
        if self.moody:
            return [str(Server.asked)] * count
        for index in range(len(self.known)):
            if self.known[index : index + len(words)] == tuple(words):
                at = index + len(words)
                forgotten = self.forgets and at % self.forgets == 0
                return ["what?"] * count if forgotten else list(self.known[at : at + count])
        return ["what?"] * count

    def stream(self, words: list[str]) -> None:
        events = [{"choices": [{"text": f" {word}"}]} for word in words]
        usage = {"choices": [], "usage": {"completion_tokens": len(words)}}
        lines = [f"data: {json.dumps(each)}\n\n" for each in [*events, usage]]
        self.answer_text("".join([*lines, "data: [DONE]\n\n"]))

    def answer(self, value: object) -> None:
        self.answer_text(json.dumps(value))

    def answer_text(self, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


TOOLS = {
    "convert_checkpoint.py": convert,
    "trtllm-build": build,
    "trtllm-serve": serve,
    "vllm": serve,
}


if __name__ == "__main__":
    program = Path(sys.argv[0]).name
    if program == "nsenter":
        inner = sys.argv[sys.argv.index("--") + 1 :]
        os.execvp(inner[0], inner)
    sys.exit(podman(sys.argv[1:]) if program == "podman" else tool(sys.argv[1:]))
