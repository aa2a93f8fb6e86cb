"""The Kubernetes objects: they fit their schemas, and say what they must."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from landfall.model.environment import ROOT
from stacks.eks.nodes import capacity_type, is_arm, labels
from stacks.eks.objects import Facts, Manifest, everything
from stacks.eks.objects.facts import DEVICES, EFA, GPU, TRAINING
from stacks.eks.objects.metrics import COUNTERS
from stacks.eks.objects.queues import quotas
from stacks.eks.objects.runtimes import example
from stacks.eks.rendered import logical_name, token
from stacks.offline.kubernetes.check import problems
from stacks.offline.kubernetes.schemas import kind
from stacks.settings.training import Eks, Pool
from tests.stacks.trained import (
    DIGEST,
    DRIVERS,
    LARGE,
    PLUGINS,
    SMALL,
    SPOT,
    argo,
    block,
    eks,
)

REGISTRY = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/landfall-dev"
CHARTS = ("autoscaler", "kueue", "trainer")
DRIVER_CHARTS = (*CHARTS, "gpu-driver", "efa-driver")


def facts(settings: dict[str, Any]) -> Facts:
    written = Eks.model_validate(settings)
    return Facts(
        environment="dev",
        cluster="landfall-dev-training",
        region="eu-central-1",
        settings=written,
        pools=written.pools,
        images={name: f"{REGISTRY}/{each}" for name, each in written.images.items()},
        job_image=f"{REGISTRY}/{written.job_image}",
        datasets="s3://landfall-datasets",
        checkpoints={name: f"s3://artifacts/checkpoints/eks-{name}" for name in written.pools},
        folder="manifests/dev",
    )


@cache
def rendered(mode: str) -> tuple[Facts, list[Manifest]]:
    base, charts = {"plugins": (PLUGINS, CHARTS), "drivers": (DRIVERS, DRIVER_CHARTS)}[mode]
    found = facts(eks(base, argo=argo(*charts)))
    return found, list(everything(found))


MODES = pytest.mark.parametrize("mode", ["plugins", "drivers"])


def of(mode: str, wanted: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in rendered(mode)[1] if each["kind"] == wanted}


def pods(mode: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod, with its namespace."""
    for each in of(mode, "DaemonSet").values():
        yield DEVICES, each["spec"]["template"]["spec"]
    for each in of(mode, "ClusterTrainingRuntime").values():
        for job in each["spec"]["template"]["spec"]["replicatedJobs"]:
            yield TRAINING, job["template"]["spec"]["template"]["spec"]


@MODES
def test_every_object_fits_its_schema(mode: str) -> None:
    found, objects = rendered(mode)
    version = found.settings.version
    for each in [*objects, example(found)]:
        which = kind(each["apiVersion"], each["kind"], version)
        assert problems(each, {}, which, version) == [], each["metadata"]["name"]


@MODES
def test_every_object_has_a_name_of_its_own(mode: str) -> None:
    names = [(token(each), logical_name("x", each)) for each in rendered(mode)[1]]
    assert len(set(names)) == len(names)


@MODES
def test_every_image_is_of_the_own_registry_and_by_digest(mode: str) -> None:
    images = [each["image"] for _, pod in pods(mode) for each in pod["containers"]]
    assert images
    assert all(each.startswith(REGISTRY) and each.endswith(DIGEST) for each in images)


def restricted(pod: dict[str, Any]) -> Iterator[str]:
    """What Pod Security's level `restricted` would refuse (Kubernetes, Pod Security Standards)."""
    whole = pod.get("securityContext", {})
    if any(pod.get(each) for each in ("hostNetwork", "hostPID", "hostIPC")):
        yield "host namespaces"
    kinds = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "projected", "secret"}
    for volume in pod.get("volumes", []):
        yield from (f"volume {each}" for each in volume.keys() - {"name"} - kinds)
    for container in pod["containers"]:
        own = {**whole, **container.get("securityContext", {})}
        if own.get("allowPrivilegeEscalation") is not False:
            yield "allowPrivilegeEscalation"
        if own.get("runAsNonRoot") is not True or own.get("runAsUser") == 0:
            yield "root"
        if own.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            yield "seccompProfile"
        if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
            yield "capabilities"


@MODES
def test_a_pod_is_what_its_namespace_allows(mode: str) -> None:
    levels = {
        name: each["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for name, each in of(mode, "Namespace").items()
    }
    assert levels == {TRAINING: "restricted", DEVICES: "privileged"}
    for namespace, pod in pods(mode):
        if namespace == TRAINING:
            assert list(restricted(pod)) == []


@MODES
def test_nothing_talks_but_where_it_is_written(mode: str) -> None:
    policies = [each for each in rendered(mode)[1] if each["kind"] == "NetworkPolicy"]
    denied = {
        each["metadata"]["namespace"]
        for each in policies
        if each["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    }
    assert denied == {TRAINING, DEVICES}
    wide = [
        each
        for each in policies
        for rule in each["spec"].get("ingress", [])
        for peer in rule["from"]
        if "ipBlock" in peer
    ]
    assert wide == []


@MODES
def test_pods_of_a_pool_reach_each_other_and_no_other_pool(mode: str) -> None:
    for name, each in of(mode, "NetworkPolicy").items():
        if name.startswith("among-"):
            own = {"podSelector": {"matchLabels": {"landfall.io/pool": name[len("among-") :]}}}
            spec = each["spec"]
            assert [spec["ingress"], spec["egress"]] == [[{"from": [own]}], [{"to": [own]}]]


@MODES
def test_a_queue_admits_no_more_than_its_pool_has(mode: str) -> None:
    found, _ = rendered(mode)
    for name, each in of(mode, "ClusterQueue").items():
        [group] = each["spec"]["resourceGroups"]
        [flavour] = group["flavors"]
        most = {one["name"]: one["nominalQuota"] for one in flavour["resources"]}
        assert most[GPU] == str(found.pools[name].gpus)
        assert sorted(most) == sorted(group["coveredResources"])
        assert "cohort" not in each["spec"]


@pytest.mark.parametrize(
    ("mode", "asked"),
    [
        ("plugins", "requests.nvidia.com/gpu"),
        ("drivers", "gpu.nvidia.com.deviceclass.resource.k8s.io/devices"),
    ],
)
def test_all_jobs_together_have_no_more_than_all_pools(mode: str, asked: str) -> None:
    assert of(mode, "ResourceQuota")["gpus"]["spec"] == {"hard": {asked: str(16 + 2 + 16)}}


def test_quotas_of_a_pool() -> None:
    assert quotas(Pool.model_validate(LARGE)) == {
        "cpu": "384",
        "memory": "4096Gi",
        GPU: "16",
        EFA: "64",
        "hugepages-2Mi": "10240Mi",
    }
    assert quotas(Pool.model_validate(SPOT))["cpu"] == "8"


@MODES
def test_what_a_job_asks_for_is_covered_by_its_queue(mode: str) -> None:
    """Kueue never admits a job that asks for what its queue does not cover."""
    found, _ = rendered(mode)
    for name, runtime in of(mode, "ClusterTrainingRuntime").items():
        [job] = runtime["spec"]["template"]["spec"]["replicatedJobs"]
        [container] = job["template"]["spec"]["template"]["spec"]["containers"]
        asked = container["resources"]["requests"]
        assert asked.keys() <= quotas(found.pools[name]).keys()
        assert container["resources"]["limits"].keys() <= asked.keys()


def test_devices_are_counted_or_claimed() -> None:
    for mode, counted in (("plugins", True), ("drivers", False)):
        runtime = of(mode, "ClusterTrainingRuntime")["large"]
        [job] = runtime["spec"]["template"]["spec"]["replicatedJobs"]
        pod = job["template"]["spec"]["template"]["spec"]
        limits = pod["containers"][0]["resources"]["limits"]
        assert (limits.get(GPU), limits.get(EFA)) == (("8", "32") if counted else (None, None))
        assert ("resourceClaims" in pod) is not counted
    [gpus, efas] = of("drivers", "ResourceClaimTemplate")["devices-large"]["spec"]["spec"][
        "devices"
    ]["requests"]
    assert gpus["exactly"] == {
        "deviceClassName": "gpu.nvidia.com",
        "allocationMode": "ExactCount",
        "count": 8,
    }
    assert efas["exactly"]["count"] == 32


def test_plugins_are_there_where_drivers_are_not() -> None:
    assert set(of("plugins", "DaemonSet")) == {"gpu-plugin", "efa-plugin", "dcgm-exporter"}
    assert set(of("drivers", "DaemonSet")) == {"dcgm-exporter"}


def test_without_efa_there_is_nothing_of_efa() -> None:
    base = {"version": "1.33", "images": ("dcgm-exporter", "gpu-plugin")}
    objects = list(everything(facts(eks(base, pools={"small": SMALL}))))
    assert "efa" not in yaml.safe_dump(objects).lower().replace("default", "")


@MODES
def test_a_job_ends_and_starts_again(mode: str) -> None:
    found, _ = rendered(mode)
    for name, runtime in of(mode, "ClusterTrainingRuntime").items():
        job_set = runtime["spec"]["template"]["spec"]
        [job] = job_set["replicatedJobs"]
        hours = found.pools[name].max_hours
        assert job["template"]["spec"]["activeDeadlineSeconds"] == hours * 3600
        assert job_set["failurePolicy"]["maxRestarts"] == 3
        [lost] = job_set["failurePolicy"]["rules"]
        assert lost["action"] == "RestartJobSetAndIgnoreMaxRestarts"


@MODES
def test_errors_of_gpus_are_measured(mode: str) -> None:
    assert {"DCGM_FI_DEV_XID_ERRORS", "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL"} <= COUNTERS.keys()
    text = of(mode, "ConfigMap")["dcgm-exporter"]["data"]["counters.csv"]
    assert [line.split(", ")[0] for line in text.splitlines()] == list(COUNTERS)
    assert all(line.count(",") == 2 for line in text.splitlines())


@MODES
def test_argo_applies_the_folder_and_every_chart(mode: str) -> None:
    applications = of(mode, "Application")
    charts = CHARTS if mode == "plugins" else DRIVER_CHARTS
    assert set(applications) == {"landfall", *charts}
    assert applications["landfall"]["spec"]["source"]["path"] == "manifests/dev"
    source = applications["kueue"]["spec"]["source"]
    assert (source["repoURL"], source["chart"]) == ("registry.internal/charts", "kueue")
    allowed = of(mode, "AppProject")["landfall"]["spec"]["sourceRepos"]
    for each in applications.values():
        assert each["spec"]["source"]["repoURL"] in allowed


@MODES
def test_no_job_starts_without_a_queue(mode: str) -> None:
    values = of(mode, "Application")["kueue"]["spec"]["source"]["helm"]["valuesObject"]
    written = yaml.safe_load(values["managerConfig"]["controllerManagerConfigYaml"])
    assert written["manageJobsWithoutQueueName"] is True
    assert written["waitForPodsReady"]["enable"] is True
    mapped = written.get("resources", {}).get("deviceClassMappings", [])
    assert [each["name"] for each in mapped] == ([] if mode == "plugins" else [GPU, EFA])


def test_nothing_is_for_argo_where_it_is_not() -> None:
    kinds = {each["kind"] for each in everything(facts(eks()))}
    assert not kinds & {"Application", "AppProject"}


def test_no_job_is_rendered() -> None:
    """Argo CD would run it."""
    for mode in ("plugins", "drivers"):
        assert not {each["kind"] for each in rendered(mode)[1]} & {"TrainJob", "Job", "JobSet"}


def test_the_example_is_a_job_on_two_nodes_with_efa() -> None:
    found, _ = rendered("drivers")
    job = example(found)
    assert job["spec"]["trainer"]["numNodes"] == 2
    assert found.pools[job["spec"]["runtimeRef"]["name"]].efa
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "large"
    written = yaml.safe_load((ROOT / "examples/trainjob/two-nodes.yaml").read_text())
    # The example names no account's repository; its digest stands for no image.
    for each in (written, job):
        assert each["spec"]["trainer"].pop("image").count("@sha256:") == 1
    assert written == job
    assert example(facts(eks(pools={"small": SMALL})))["spec"]["trainer"]["numNodes"] == 1


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (SMALL, "ON_DEMAND"),
        (SPOT, "SPOT"),
        (LARGE, "ON_DEMAND"),
        (block(), "CAPACITY_BLOCK"),
    ],
)
def test_how_nodes_are_got(written: dict[str, Any], expected: str) -> None:
    assert capacity_type(Pool.model_validate(written)) == expected


def test_labels_of_nodes() -> None:
    assert labels("large", Pool.model_validate(LARGE)) == {
        "landfall.io/pool": "large",
        "nvidia.com/gpu.present": "true",
        "vpc.amazonaws.com/efa.present": "true",
    }


@pytest.mark.parametrize(
    ("name", "arm"), [("m7i.large", False), ("m7g.large", True), ("g6.xlarge", False)]
)
def test_processors(name: str, arm: bool) -> None:
    assert is_arm(name) is arm
