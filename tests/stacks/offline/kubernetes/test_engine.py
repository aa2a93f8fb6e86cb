"""A real engine renders Kubernetes objects beside AWS resources, without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi import automation as auto

from tests.stacks.engine import Program
from tests.stacks.offline.rehearsed import Rehearsal

pytestmark = pytest.mark.engine

FOLDER = "rendered"
JOB = "kubernetes:batch/v1:Job"


def objects(*, image: str = "trainer@sha256:1", queue: str = "gpu", bucket: bool = True) -> Program:
    def program() -> None:
        import pulumi_aws as aws
        import pulumi_kubernetes as k8s

        render = k8s.Provider("render", render_yaml_to_directory=FOLDER, namespace="training")
        opts = pulumi.ResourceOptions(provider=render)
        k8s.core.v1.Namespace("training", metadata={"name": "training"}, opts=opts)
        k8s.apiextensions.CustomResource(
            queue,
            api_version="kueue.x-k8s.io/v1beta1",
            kind="LocalQueue",
            metadata={"name": "queue"},
            spec={"clusterQueue": "gpu"},
            opts=opts,
        )
        pod: Any = {"containers": [{"name": "c", "image": image}], "restart_policy": "Never"}
        job = k8s.batch.v1.Job("job", spec={"template": {"spec": pod}}, opts=opts)
        pulumi.export("job", job.metadata["name"])
        if bucket:
            data = {"bucket": aws.s3.Bucket("bucket").arn}
            k8s.core.v1.ConfigMap("where", metadata={"name": "where"}, data=data, opts=opts)

    return program


def wrong(token: str, properties: dict[str, Any], *, provider: bool = True) -> Program:
    def program() -> None:
        import pulumi_kubernetes as k8s

        render = k8s.Provider("render", render_yaml_to_directory=FOLDER)
        opts = pulumi.ResourceOptions(provider=render) if provider else None
        pulumi.CustomResource(token, "thing", properties, opts=opts)

    return program


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / FOLDER).rglob("*") if path.is_file())


def test_the_life_of_objects(rehearsal: Rehearsal, tmp_path: Path) -> None:
    first = rehearsal.stack(objects()).preview().change_summary
    assert first == {"create": 7}
    assert not (tmp_path / FOLDER).exists()  # a preview writes nothing

    job = rehearsal.stack(objects()).up().outputs["job"].value
    assert files(tmp_path) == [
        f"batch_v1-job-training-{job}.yaml",
        "kueue.x-k8s.io_v1beta1-localqueue-training-queue.yaml",
        "v1-configmap-training-where.yaml",
        "v1-namespace-default-training.yaml",
    ]
    where = tmp_path / FOLDER / "1-manifest" / "v1-configmap-training-where.yaml"
    assert yaml.safe_load(where.read_text())["data"]["bucket"].startswith("arn:aws:s3:::bucket-")
    assert rehearsal.stack(objects()).preview().change_summary == {"same": 7}

    changed = rehearsal.stack(objects(image="trainer@sha256:2"))
    assert changed.preview().change_summary == {"replace": 1, "same": 6}
    again = changed.up().outputs["job"].value
    assert again != job
    assert f"batch_v1-job-training-{again}.yaml" in files(tmp_path)
    assert len(files(tmp_path)) == 4

    renamed = rehearsal.stack(objects(image="trainer@sha256:2", queue="other", bucket=False))
    assert renamed.up().summary.resource_changes == {"create": 1, "delete": 3, "same": 4}
    assert "kueue.x-k8s.io_v1beta1-localqueue-training-queue.yaml" in files(tmp_path)

    renamed.refresh()
    renamed.destroy()
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("token", "properties", "said"),
    [
        (
            "kubernetes:kueue.x-k8s.io/v1beta1:LocalQueue",
            {"spec": {"clusterQeue": "a"}},
            "spec.clusterQeue: no such field; did you mean clusterQueue?",
        ),
        (
            "kubernetes:core/v1:ConfigMapPatch",
            {"metadata": {"name": "a"}},
            "a patch needs a cluster",
        ),
    ],
)
def test_what_is_refused(
    rehearsal: Rehearsal, token: str, properties: dict[str, Any], said: str
) -> None:
    assert said in rehearsal.fails(wrong(token, properties))


def test_a_secret_is_refused_and_not_shown(rehearsal: Rehearsal) -> None:
    def program() -> None:
        import pulumi_kubernetes as k8s

        render = k8s.Provider("render", render_yaml_to_directory=FOLDER)
        data = {"a": pulumi.Output.secret("hunter2")}
        k8s.core.v1.ConfigMap("c", data=data, opts=pulumi.ResourceOptions(provider=render))

    found = rehearsal.fails(program)
    assert "data.a: is secret, and rendered files are plain text" in found
    assert "hunter2" not in found


def test_objects_need_a_provider_that_renders(rehearsal: Rehearsal) -> None:
    found = rehearsal.fails(wrong("kubernetes:core/v1:ConfigMap", {}, provider=False))
    assert "renderYamlToDirectory: missing; there is no cluster offline" in found


def test_two_resources_of_one_object(rehearsal: Rehearsal) -> None:
    def program() -> None:
        import pulumi_kubernetes as k8s

        render = k8s.Provider("render", render_yaml_to_directory=FOLDER)
        opts = pulumi.ResourceOptions(provider=render)
        for name in ("one", "two"):
            k8s.core.v1.ServiceAccount(name, metadata={"name": "same"}, opts=opts)

    assert "is the same object, and would be overwritten" in rehearsal.fails(program)


def test_the_state_of_a_real_provider_is_refused(rehearsal: Rehearsal) -> None:
    stack = rehearsal.stack(objects(bucket=False))
    stack.up()
    exported = stack.export_stack()
    assert exported.deployment is not None
    for resource in exported.deployment["resources"]:
        if resource["type"] == "pulumi:providers:kubernetes":
            for part in ("inputs", "outputs"):
                assert resource[part].pop("landfallOffline") == "true"
    stack.import_stack(exported)
    with pytest.raises(auto.CommandError, match="made with a real Kubernetes provider"):
        stack.preview()
