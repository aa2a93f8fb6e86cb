"""Storage, registry, identities and streams, planned and made by a real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cfnlint.api  # type: ignore[import-untyped]
import pulumi
import pytest
from moto.iam.policy_validation import (
    IAMPolicyDocumentValidator,
    IAMTrustPolicyDocumentValidator,
)
from pulumi import automation as auto

from landfall.model.classification import Classification
from landfall.model.stream import Direction, Stream
from stacks.anywhere import NAME_KEY, SiteHosts, SiteHostsArgs
from stacks.github import GitHubAccess, GitHubAccessArgs
from stacks.images import Images, ImagesArgs
from stacks.lustre import Lustre, LustreArgs
from stacks.offline import OfflineCloud
from stacks.registry import OUTPUT, Registry, RegistryArgs, other
from stacks.settings import parts
from stacks.storage import Buckets, BucketsArgs
from stacks.streams import Streams, StreamsArgs
from tests.stacks import components
from tests.stacks.conftest import Planned, Rehearsal
from tests.stacks.engine import Program
from tests.stacks.iam import allowed, denied

pytestmark = pytest.mark.cloud

DIGEST = f"sha256:{'0' * 64}"
DOMAIN = "ml.site.example"
IMAGES = f"{components.ACCOUNT}.dkr.ecr.{components.REGION}.amazonaws.com"
CERTIFICATE = f"arn:aws:acm:{components.REGION}:{components.ACCOUNT}:certificate/a"
AUTHORITY = f"arn:aws:acm-pca:{components.REGION}:{components.ACCOUNT}:certificate-authority/a"
HOSTS = ("gpu-1.site.example", "gpu-2.site.example")

UP = Stream(name="metrics", direction=Direction.TO_CLOUD, classes=(Classification.INTERNAL,))
DOWN = Stream(
    name="labels",
    direction=Direction.TO_SITE,
    classes=(Classification.INTERNAL, Classification.CONFIDENTIAL),
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a test's program declares; each test changes what it is about."""

    environment: str = "dev"
    protect: bool = False
    zone: int = 0
    standby: bool = False
    image: str = f"registry@{DIGEST}"
    revoked: tuple[str, ...] = ()


def program(wanted: Wanted) -> Program:
    """A program of all components of this family, on a network that is there already."""

    def declare() -> None:
        place = components.place(environment=wanted.environment, protect=wanted.protect)
        network = components.network()
        storage = parts.Storage(
            evidence_days=365,
            repositories=("training", "registry"),
            build_account="444455556666",
            lustre=parts.Lustre(),
        )
        assert storage.lustre
        buckets = Buckets("buckets", BucketsArgs(place=place, storage=storage, trail="trail"))
        Images("images", ImagesArgs(place=place, storage=storage))
        Lustre(
            "scratch",
            LustreArgs(
                place=place,
                lustre=storage.lustre,
                network=network,
                datasets=buckets.datasets,
                zone=wanted.zone,
            ),
        )
        registry = Registry(
            "registry",
            RegistryArgs(
                place=place,
                registry=parts.Registry(
                    image=wanted.image,
                    certificate=CERTIFICATE,
                    domain=DOMAIN,
                    standby=wanted.standby,
                ),
                network=network,
                endpoints=pulumi.Output.from_input("sg-0e000001"),
                s3_prefix_list=pulumi.Output.from_input("pl-0e000001"),
                site_networks=(components.SITE,),
                artifacts=buckets.artifacts,
                access=buckets.access,
                images=pulumi.Output.from_input(IMAGES),
            ),
        )
        pulumi.export(OUTPUT, registry.address.outputs())
        GitHubAccess(
            "github",
            GitHubAccessArgs(
                place=place,
                github=parts.GitHub(
                    repository="example/landfall",
                    preview_environment="prod-preview",
                    apply_environment="prod",
                ),
                residency=(components.REGION,),
            ),
        )
        hosts = SiteHosts(
            "hosts",
            SiteHostsArgs(
                place=place,
                hosts=parts.SiteHosts(
                    authority_arn=AUTHORITY, hosts=HOSTS, revoked=wanted.revoked, session_minutes=90
                ),
                authority=None,
                revocation_list="-----BEGIN X509 CRL-----",
                artifacts=buckets.artifacts,
                streams=True,
            ),
        )
        assert hosts.streams
        Streams("streams", StreamsArgs(place=place, streams=(UP, DOWN), site=hosts.streams))

    return declare


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """A stack in which everything has been made once."""
    folder = tmp_path_factory.mktemp("state")
    with OfflineCloud() as cloud:
        rehearsal = Rehearsal(folder, cloud)
        rehearsal.up(program(Wanted()))
        yield rehearsal


@pytest.fixture(scope="module")
def again(standing: Rehearsal) -> Planned:
    """The same program, planned on what stands: every input is known."""
    return standing.preview(program(Wanted()))


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[auto.Deployment]:
    """The state of a protected environment with a standby and one revoked host."""
    folder = tmp_path_factory.mktemp("protected")
    wanted = Wanted(environment="prod", protect=True, standby=True, revoked=HOSTS[:1])
    with OfflineCloud() as cloud:
        rehearsal = Rehearsal(folder, cloud)
        rehearsal.up(program(wanted))
        yield rehearsal.stack(program(wanted)).export_stack()


def in_state(state: auto.Deployment, token: str) -> dict[str, dict[str, Any]]:
    assert state.deployment
    return {
        each["urn"].rpartition("::")[2]: each
        for each in state.deployment["resources"]
        if each["type"] == token
    }


def inputs(state: auto.Deployment, token: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = in_state(state, token)[name]["inputs"]
    return found


def test_a_second_run_changes_nothing(again: Planned) -> None:
    assert {name for name, op in again.operations.items() if op != "same"} == set()
    assert len(again.operations) > 90


def test_nothing_is_public(again: Planned) -> None:
    assert again.of("aws:lb/loadBalancer:LoadBalancer")["registry"]["internal"] is True
    assert again.of("aws:rds/instance:Instance")["registry"]["publiclyAccessible"] is False
    service = again.of("aws:ecs/service:Service")["registry"]
    assert service["networkConfiguration"]["assignPublicIp"] is False
    (listener,) = again.of("aws:lb/listener:Listener").values()
    assert (listener["port"], listener["protocol"]) == (443, "HTTPS")
    assert listener["sslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2")
    blocks = again.of("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
    assert set(blocks) == set(again.of("aws:s3/bucket:Bucket"))
    switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert all(block[switch] is True for block in blocks.values() for switch in switches)


def test_rules_name_ranges_groups_and_lists_of_ours_only(again: Planned) -> None:
    tokens = (
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    )
    found = [rule for token in tokens for rule in again.of(token).values()]
    ranges = {rule["cidrIpv4"] for rule in found if "cidrIpv4" in rule}
    assert ranges == {str(components.CIDR), str(components.SITE)}
    assert all("cidrIpv6" not in rule for rule in found)
    assert len(found) == 12


def test_what_can_be_encrypted_has_a_key_of_the_customers(again: Planned) -> None:
    """By type: where the key stands in its inputs."""
    places = {
        "aws:cloudwatch/logGroup:LogGroup": "kmsKeyId",
        "aws:fsx/lustreFileSystem:LustreFileSystem": "kmsKeyId",
        "aws:kinesis/stream:Stream": "kmsKeyId",
        "aws:rds/instance:Instance": "kmsKeyId",
    }
    ours = {components.key_arn(purpose) for purpose in components.PURPOSES}
    for token, key in places.items():
        assert again.of(token), token
        assert {each.get(key) for each in again.of(token).values()} <= ours, token
    database = again.of("aws:rds/instance:Instance")["registry"]
    assert database["masterUserSecretKmsKeyId"] == components.key_arn("registry")
    assert database["performanceInsightsKmsKeyId"] == components.key_arn("registry")
    (cluster,) = again.of("aws:ecs/cluster:Cluster").values()
    storage = cluster["configuration"]["managedStorageConfiguration"]
    assert storage["fargateEphemeralStorageKmsKeyId"] == components.key_arn("registry")


def test_every_bucket_but_the_access_logs_has_its_own_key(again: Planned) -> None:
    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    keys = {
        name: each["rules"][0]["applyServerSideEncryptionByDefault"].get("kmsMasterKeyId")
        for name, each in again.of(token).items()
    }
    purposes = ("datasets", "artifacts", "logs")
    assert keys == {"access": None} | {name: components.key_arn(name) for name in purposes}


def test_evidence_is_locked_and_checkpoints_expire(
    again: Planned, protected: auto.Deployment
) -> None:
    token = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
    (lock,) = again.of(token).values()
    assert lock["rule"]["defaultRetention"] == {"days": 365, "mode": "GOVERNANCE"}
    mode = inputs(protected, token, "logs")["rule"]["defaultRetention"]["mode"]
    assert mode == "COMPLIANCE"
    lifecycles = again.of("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
    checkpoints, housekeeping = lifecycles["artifacts"]["rules"]
    assert checkpoints["filter"]["prefix"] == "checkpoints/"
    assert checkpoints["expiration"] == {"days": 30}
    assert housekeeping["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}
    assert lifecycles["logs"]["rules"][0]["expiration"] == {"days": 365}
    assert len(lifecycles["datasets"]["rules"]) == 1  # data sets do not expire


def test_requests_to_buckets_are_logged_where_nothing_is_locked(again: Planned) -> None:
    logging = again.of("aws:s3/bucketLogging:BucketLogging")
    assert set(logging) == {"datasets", "artifacts", "logs"}
    buckets = again.of("aws:s3/bucket:Bucket")
    targets = {each["targetBucket"] for each in logging.values()}
    assert targets == {buckets["access"]["bucket"]}
    assert buckets["access"]["objectLockEnabled"] is False
    assert buckets["logs"]["objectLockEnabled"] is True


def test_another_subnet_is_another_file_system(standing: Rehearsal) -> None:
    moved = standing.preview(program(Wanted(zone=1)))
    assert moved.operations["aws:fsx/lustreFileSystem:LustreFileSystem scratch"] == "replace"


def test_a_file_system_that_is_linked_has_no_backups_and_goes_both_ways(again: Planned) -> None:
    (scratch,) = again.of("aws:fsx/lustreFileSystem:LustreFileSystem").values()
    assert scratch["deploymentType"] == "PERSISTENT_2"
    assert scratch["automaticBackupRetentionDays"] == 0
    (link,) = again.of("aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation").values()
    assert link["s3"]["autoExportPolicy"] == link["s3"]["autoImportPolicy"]
    assert link["dataRepositoryPath"].startswith("s3://landfall-dev-datasets-")


def test_images_are_never_changed(again: Planned) -> None:
    repositories = again.of("aws:ecr/repository:Repository")
    assert set(repositories) == {"training", "registry"}
    for each in repositories.values():
        assert each["imageTagMutability"] == "IMMUTABLE"
        assert each["imageScanningConfiguration"] == {"scanOnPush": True}
        assert each["encryptionConfigurations"][0]["encryptionType"] == "KMS"


def test_stateful_things_of_a_protected_environment_stay(protected: auto.Deployment) -> None:
    kinds = (
        "aws:s3/bucket:Bucket",
        "aws:fsx/lustreFileSystem:LustreFileSystem",
        "aws:rds/instance:Instance",
        "aws:ecr/repository:Repository",
        "aws:kinesis/stream:Stream",
        "aws:cloudwatch/logGroup:LogGroup",
    )
    for kind in kinds:
        found = in_state(protected, kind)
        assert found, kind
        assert all(each["protect"] and each["retainOnDelete"] for each in found.values()), kind
    database = inputs(protected, "aws:rds/instance:Instance", "registry")
    assert database["deletionProtection"] is True
    assert database["multiAz"] is True
    assert database["backupRetentionPeriod"] == 35
    assert database["finalSnapshotIdentifier"] == "landfall-prod-registry-last"
    bucket = inputs(protected, "aws:s3/bucket:Bucket", "artifacts")
    assert bucket["forceDestroy"] is False


def test_the_registrys_task_is_locked_down(again: Planned) -> None:
    (task,) = again.of("aws:ecs/taskDefinition:TaskDefinition").values()
    (container,) = json.loads(task["containerDefinitions"])
    assert container["image"] == f"{IMAGES}/landfall-dev/registry@{DIGEST}"
    assert container["readonlyRootFilesystem"] is True
    assert container["privileged"] is False
    assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    assert container["user"] != "0"
    names = {each["name"] for each in container["secrets"]}
    assert names == {"MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY", "PGPASSWORD"}
    assert all(each["valueFrom"].startswith("arn:aws:secretsmanager:")
               for each in container["secrets"])  # fmt: skip
    plain = json.dumps(container["environment"])
    assert "NO_PERMISSIONS" in plain
    assert "verify-full" in plain


def test_an_image_of_another_digest_starts_other_tasks(standing: Rehearsal) -> None:
    newer = Wanted(image=f"registry@sha256:{'1' * 64}")
    changed = standing.preview(program(newer)).operations
    changed = {name: op for name, op in changed.items() if op != "same"}
    assert changed == {
        "aws:ecs/taskDefinition:TaskDefinition registry": "replace",
        "aws:ecs/service:Service registry": "update",
    }


def test_no_secret_is_in_the_state(protected: auto.Deployment) -> None:
    """Secrets are drawn where they are kept: the state knows how, and their ARNs."""
    database = in_state(protected, "aws:rds/instance:Instance")["registry"]
    assert database["inputs"]["manageMasterUserPassword"] is True
    for part in ("inputs", "outputs"):
        assert not any(database[part].get(name) for name in ("password", "passwordWo"))
    assert not in_state(protected, "aws:secretsmanager/secretVersion:SecretVersion")
    (made,) = [
        each for name, each in in_state(protected, "aws:cloudformation/stack:Stack").items()
        if name == "registry"
    ]  # fmt: skip
    arns = made["outputs"]["outputs"]
    assert set(arns) == {"Administrator", "Session"}
    assert all(arn.startswith("arn:aws:secretsmanager:") for arn in arns.values())
    template = json.loads(made["inputs"]["templateBody"])
    assert {each["DeletionPolicy"] for each in template["Resources"].values()} == {"Retain"}


def test_iam_would_take_every_policy(protected: auto.Deployment) -> None:
    """The checks of a stand-in for IAM: names, effects, ARNs, operators."""
    for role in in_state(protected, "aws:iam/role:Role").values():
        IAMTrustPolicyDocumentValidator(role["inputs"]["assumeRolePolicy"]).validate()
    policies = in_state(protected, "aws:iam/rolePolicy:RolePolicy")
    assert len(policies) == 8
    for policy in policies.values():
        IAMPolicyDocumentValidator(policy["inputs"]["policy"]).validate()


def test_cloudformation_would_take_every_template(protected: auto.Deployment) -> None:
    stacks = in_state(protected, "aws:cloudformation/stack:Stack")
    assert set(stacks) == {"registry", "hosts-revoked"}
    for stack in stacks.values():
        found = cfnlint.api.lint_all(stack["inputs"]["templateBody"])
        assert [str(each) for each in found if each.rule.id[0] in "EW"] == []


def test_every_role_has_the_boundary_and_the_path(protected: auto.Deployment) -> None:
    roles = in_state(protected, "aws:iam/role:Role")
    assert len(roles) == 7
    for each in roles.values():
        assert each["inputs"]["permissionsBoundary"].endswith(":policy/landfall-boundary")
        assert each["inputs"]["path"] == "/landfall/"


def test_workflows_get_in_from_their_environments_only(protected: auto.Deployment) -> None:
    issuer = "token.actions.githubusercontent.com"
    for role, environment in (("github-preview", "prod-preview"), ("github-apply", "prod")):
        trusted = inputs(protected, "aws:iam/role:Role", role)["assumeRolePolicy"]
        (statement,) = json.loads(trusted)["Statement"]
        assert statement["Condition"] == {
            "StringEquals": {
                f"{issuer}:aud": "sts.amazonaws.com",
                f"{issuer}:sub": f"repo:example/landfall:environment:{environment}",
            }
        }


def test_a_revoked_host_is_denied_in_what_was_made(protected: auto.Deployment) -> None:
    gone, stays = HOSTS
    anchor = next(iter(in_state(protected, "aws:rolesanywhere/trustAnchor:TrustAnchor").values()))
    for role in ("hosts-reader", "hosts-streams"):
        trusted = inputs(protected, "aws:iam/role:Role", role)["assumeRolePolicy"]
        rights = inputs(protected, "aws:iam/rolePolicy:RolePolicy", role)["policy"]
        for host, let_in in ((gone, False), (stays, True), ("stranger", False)):
            who = {NAME_KEY: host, "aws:SourceArn": anchor["outputs"]["arn"]}
            assert allowed(trusted, action="sts:AssumeRole", context=who) is let_in, (role, host)
        assert denied(rights, action="s3:GetObject", context={NAME_KEY: gone})
        assert not denied(rights, action="s3:GetObject", context={NAME_KEY: stays})
    other_anchor = {NAME_KEY: stays, "aws:SourceArn": "arn:aws:rolesanywhere:x:1:trust-anchor/2"}
    trusted = inputs(protected, "aws:iam/role:Role", "hosts-reader")["assumeRolePolicy"]
    assert not allowed(trusted, action="sts:AssumeRole", context=other_anchor)


def test_hosts_read_what_was_released_and_nothing_else(protected: auto.Deployment) -> None:
    rights = inputs(protected, "aws:iam/rolePolicy:RolePolicy", "hosts-reader")["policy"]
    bucket = f"arn:aws:s3:::landfall-prod-artifacts-{components.ACCOUNT}"
    who = {NAME_KEY: HOSTS[1]}
    for key, reads in (("released/a", True), ("checkpoints/a", False), ("registry/a", False)):
        target = f"{bucket}/{key}"
        assert allowed(rights, action="s3:GetObject", resource=target, context=who) is reads
        assert not allowed(rights, action="s3:PutObject", resource=target, context=who)


def test_a_session_is_as_long_as_was_asked(protected: auto.Deployment) -> None:
    profile = inputs(protected, "aws:rolesanywhere/profile:Profile", "hosts")
    assert profile["durationSeconds"] == 90 * 60
    reader = inputs(protected, "aws:iam/role:Role", "hosts-reader")
    assert reader["maxSessionDuration"] == 2 * 3600


def test_streams_flow_one_way(protected: auto.Deployment) -> None:
    streams = in_state(protected, "aws:kinesis/stream:Stream")
    roles = in_state(protected, "aws:iam/role:Role")
    site, cloud = (roles[name]["outputs"]["arn"] for name in ("hosts-streams", "streams-cloud"))
    for name, source, target in (("metrics", site, cloud), ("labels", cloud, site)):
        policy = inputs(protected, "aws:kinesis/resourcePolicy:ResourcePolicy", name)["policy"]
        arn = streams[name]["outputs"]["arn"]
        for action, may, may_not in (
            ("kinesis:PutRecord", source, target),
            ("kinesis:GetRecords", target, source),
        ):
            assert not denied(
                policy, action=action, resource=arn, context={"aws:PrincipalArn": may}
            )
            assert denied(
                policy, action=action, resource=arn, context={"aws:PrincipalArn": may_not}
            )
    assert streams["labels"]["inputs"]["tags"] == {
        "landfall:direction": "to_site",
        "landfall:classes": "confidential+internal",
    }


def test_another_environment_uses_the_registry_through_its_outputs(standing: Rehearsal) -> None:
    def user() -> None:
        address = other("dev")
        pulumi.export("url", address.url)
        pulumi.export("password_arn", address.password_arn)

    options = auto.LocalWorkspaceOptions(
        env_vars=standing.variables, pulumi_command=standing.command
    )
    stack = auto.create_or_select_stack("staging", "landfall", user, opts=options)
    found = stack.up().outputs
    assert found["url"].value == f"https://registry.{DOMAIN}"
    assert found["password_arn"].value.startswith("arn:aws:secretsmanager:")
