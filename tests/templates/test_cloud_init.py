"""What a training machine is told: reviewed text, checked by bash, shellcheck and YAML; and run."""

from __future__ import annotations

import email
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from landfall import process
from landfall.model import xid
from stacks.training import userdata
from stacks.training.userdata import Machine

HERE = Path(__file__).parent
SHELLCHECK = Path(sys.executable).parent / "shellcheck"
END = datetime(2027, 1, 12, 11, 30, tzinfo=UTC)
BLOCK = Machine(
    environment="prod",
    region="eu-central-1",
    pool="large",
    gpus=8,
    block_end=END,
    lustre="fs-0123456789abcdef0.fsx.eu-central-1.amazonaws.com@tcp:/abcdefgh",
)
PLAIN = Machine(environment="dev", region="eu-central-1", pool="small", gpus=1)


def cloud_config(machine: Machine) -> dict[str, Any]:
    """What cloud-init reads, by way of MIME as it reads it."""
    message = email.message_from_string(userdata.batch_user_data(machine))
    [part] = [each for each in message.walk() if not each.is_multipart()]
    assert part.get_content_type() == "text/cloud-config"
    text = str(part.get_payload())
    assert text.startswith("#cloud-config\n")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_the_text_is_what_was_reviewed() -> None:
    assert userdata.batch_user_data(BLOCK) == (HERE / "training-machine.golden").read_text()
    assert userdata.node_user_data() == (HERE / "training-node.golden").read_text()


@pytest.mark.parametrize("machine", [BLOCK, PLAIN], ids=["block", "plain"])
def test_it_is_not_larger_than_ec2_takes(machine: Machine) -> None:
    assert len(userdata.batch_user_data(machine).encode()) < userdata.LARGEST


def test_every_script_arrives_as_it_was_written() -> None:
    files = {each["path"]: each for each in cloud_config(BLOCK)["write_files"]}
    for name in userdata.SCRIPTS:
        found = files[f"/usr/local/sbin/landfall-{name}"]
        assert found["content"].rstrip("\n") == userdata.script(name, BLOCK).rstrip("\n")
        assert found["permissions"] == "0755"


def test_every_unit_that_is_started_is_there() -> None:
    config = cloud_config(BLOCK)
    files = {each["path"] for each in config["write_files"]}
    [_, [*_, first, second, third, timer]] = config["runcmd"]
    for unit in (first, second, third, timer):
        assert f"/etc/systemd/system/{unit}" in files


def test_the_file_system_is_mounted_where_there_is_one() -> None:
    assert cloud_config(BLOCK)["mounts"][0][:3] == [BLOCK.lustre, "/datasets", "lustre"]
    assert "mounts" not in cloud_config(PLAIN)


@pytest.mark.parametrize("name", userdata.SCRIPTS)
@pytest.mark.parametrize("machine", [BLOCK, PLAIN], ids=["block", "plain"])
def test_bash_and_shellcheck_accept_the_scripts(name: str, machine: Machine) -> None:
    text = userdata.script(name, machine)
    process.run(["bash", "-n"], stdin=text)
    done = process.run([SHELLCHECK, "--shell=bash", "-"], stdin=text, check=False)
    assert done.stdout == ""


@pytest.mark.services
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for each in cloud_config(BLOCK)["write_files"]:
        path = Path(each["path"])
        if path.suffix in {".service", ".timer"}:
            text = each["content"].replace("/usr/local/sbin/landfall-", "/bin/true ")
            (tmp_path / path.name).write_text(text)
    units = sorted(tmp_path.iterdir())
    done = process.run(["systemd-analyze", "verify", *units], check=False)
    complaints = [line for line in done.stderr.splitlines() if "landfall" in line]
    assert complaints == []


class Bench:
    """A folder with a script and stand-ins for the commands that it calls, which write a log."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        self.variables = {"PATH": f"{folder}:/usr/bin:/bin"}

    def command(self, name: str, body: str = "") -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>{self.log}\n{body}\n')
        path.chmod(0o755)

    def run(self, script: str, *words: str, machine: Machine = PLAIN, **more: str) -> list[str]:
        """Run a script; returns what it called."""
        text = userdata.script(script, machine)
        env = {**self.variables, **more}
        process.run(["bash", "-c", text, script, *words], env=env, timeout_s=20)
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


EBS, LOCAL = "Amazon Elastic Block Store", "Amazon EC2 NVMe Instance Storage"
MAKE = "mkfs.xfs -f -K -L landfall"


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ([EBS], []),
        ([], []),
        ([EBS, LOCAL], [f"{MAKE} /dev/nvme1n1"]),
        (
            [EBS, LOCAL, LOCAL],
            [
                "mdadm --create /dev/md/landfall --run --level=0 --homehost=any --name=landfall "
                "--raid-devices=2 /dev/nvme1n1 /dev/nvme2n1",
                f"{MAKE} /dev/md/landfall",
            ],
        ),
        (
            [LOCAL, EBS, LOCAL, EBS, LOCAL],
            [
                "mdadm --create /dev/md/landfall --run --level=0 --homehost=any --name=landfall "
                "--raid-devices=3 /dev/nvme0n1 /dev/nvme2n1 /dev/nvme4n1",
                f"{MAKE} /dev/md/landfall",
            ],
        ),
    ],
)
def test_local_disks_are_striped_and_volumes_never(
    tmp_path: Path, models: list[str], expected: list[str]
) -> None:
    for index, model in enumerate(models):
        folder = tmp_path / "block" / f"nvme{index}n1" / "device"
        folder.mkdir(parents=True)
        # The kernel fills models with spaces to forty characters.
        (folder / "model").write_text(f"{model:<40}\n")
    done = process.run(
        ["bash", "-c", userdata.script("scratch", PLAIN), "scratch", "plan"],
        env={"LANDFALL_SYS": str(tmp_path)},
    )
    *steps, last = done.stdout.splitlines()
    mounted = ["mount -o noatime -L landfall /scratch"] if expected else []
    assert steps == expected + mounted
    assert last == "chmod 1777 /scratch"


def classified(lines: list[str]) -> list[str]:
    script = userdata.script("health", PLAIN)
    done = process.run(["bash", "-c", script, "health", "classify"], stdin="\n".join(lines))
    return done.stdout.splitlines()


def expected(lines: list[str]) -> list[str]:
    found = [error for line in lines if (error := xid.parse(line))]
    return [f"{e.code} {'fatal' if e.code in xid.fatal() else 'monitor'}" for e in found]


WRITTEN = st.one_of(
    st.builds("NVRM: Xid (PCI:0000:97:00): {}, pid=1".format, st.integers(0, 200)),
    st.builds("[ 10.5] NVRM: Xid (0000:03:00.0): {}".format, st.sampled_from(xid.fatal())),
    st.text(st.characters(codec="ascii", exclude_categories=["C"])),
)


@settings(max_examples=10, deadline=None)
@given(st.lists(WRITTEN, max_size=30))
def test_the_machine_reads_the_kernel_log_as_the_model_does(lines: list[str]) -> None:
    assert classified(lines) == expected(lines)


def test_every_code_gets_the_verdict_of_the_model() -> None:
    lines = [f"NVRM: Xid (PCI:0000:97:00): {code}, pid=1" for code in range(200)]
    assert classified(lines) == expected(lines)


def test_a_fatal_error_replaces_the_machine_and_another_does_not(bench: Bench) -> None:
    lines = "NVRM: Xid (PCI:0000:97:00): {}, pid=1"
    bench.command("journalctl", f"echo '{lines.format(31)}'")
    bench.command("landfall-report")
    bench.command("landfall-drain")
    assert bench.run("health")[1:] == ["landfall-report XidErrors"]
    bench.command("journalctl", f"echo '{lines.format(79)}'")
    assert bench.run("health")[-2:] == [
        "landfall-report XidErrors",
        "landfall-drain xid-79 poweroff",
    ]


@pytest.mark.parametrize(("answer", "drained"), [("echo a; echo b", False), ("echo a", True)])
def test_a_gpu_that_does_not_answer_replaces_the_machine(
    bench: Bench, answer: str, drained: bool
) -> None:
    bench.command("nvidia-smi", answer)
    bench.command("landfall-drain")
    two = Machine(environment="dev", region="eu-central-1", pool="small", gpus=2)
    called = bench.run("health", "gpus", machine=two)
    assert ("landfall-drain gpus-lost poweroff" in called) is drained


def test_draining_tells_every_job_once(bench: Bench, tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    bench.command("docker", '[[ "$1" == ps ]] && printf "one\\ntwo\\n"; true')
    bench.command("curl", 'echo \'{"Cluster": "AWSBatch-1", "ContainerInstanceArn": "arn:i"}\'')
    for name in ("aws", "logger", "landfall-report", "systemctl"):
        bench.command(name)
    called = bench.run("drain", "spot", LANDFALL_RUN=run)
    assert "landfall-report EndingMachines" in called
    assert [each for each in called if each.startswith("docker kill")] == [
        "docker kill --signal=TERM one",
        "docker kill --signal=TERM two",
    ]
    [draining] = [each for each in called if each.startswith("aws ecs")]
    assert draining.endswith("--status DRAINING --cluster AWSBatch-1 --container-instances arn:i")
    assert not any("poweroff" in each for each in called)
    assert bench.run("drain", "block-end", LANDFALL_RUN=run) == called


def test_draining_stops_the_agent_where_it_does_not_answer(bench: Bench, tmp_path: Path) -> None:
    bench.command("curl", "exit 7")
    for name in ("docker", "logger", "landfall-report", "systemctl"):
        bench.command(name)
    called = bench.run("drain", "xid-79", "poweroff", LANDFALL_RUN=str(tmp_path / "run"))
    assert "systemctl stop ecs" in called
    assert "landfall-report IllMachines" in called
    assert called[-1] == "systemctl poweroff"


class Metadata(BaseHTTPRequestHandler):
    """The metadata service of a machine, version 2 alone; it is told to go if `interrupted`."""

    interrupted = False

    def do_PUT(self) -> None:
        self._answer(200, b"a-token")

    def do_GET(self) -> None:
        allowed = self.headers.get("X-aws-ec2-metadata-token") == "a-token"
        there = self.path == "/latest/meta-data/spot/instance-action" and self.interrupted
        self._answer(200 if there else 404 if allowed else 401, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def metadata() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Metadata)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


SOON, LATER = 40, 60
"""Minutes until a block ends, below and above what a drain needs."""


@pytest.mark.services
@pytest.mark.parametrize(
    ("interrupted", "minutes", "called"),
    [
        (False, None, []),
        (True, None, ["landfall-drain spot"]),
        (False, LATER, []),
        (False, SOON, ["landfall-drain block-end"]),
        (True, SOON, ["landfall-drain spot"]),
    ],
)
def test_the_end_of_a_machine_is_seen(
    bench: Bench,
    metadata: str,
    monkeypatch: pytest.MonkeyPatch,
    interrupted: bool,
    minutes: int | None,
    called: list[str],
) -> None:
    monkeypatch.setattr(Metadata, "interrupted", interrupted)
    end = 0 if minutes is None else int(datetime.now(UTC).timestamp()) + minutes * 60
    bench.command("landfall-drain")
    found = bench.run("watch", "once", LANDFALL_IMDS=metadata, LANDFALL_BLOCK_END=str(end))
    assert found == called


def test_a_block_ends_when_its_settings_say() -> None:
    assert f'block_end="${{LANDFALL_BLOCK_END:-{int(END.timestamp())}}}"' in userdata.script(
        "watch", BLOCK
    )
