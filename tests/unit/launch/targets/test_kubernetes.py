"""The manifests: valid by Kubernetes' own schemas, and as a real control plane has shown that they must be."""

from __future__ import annotations

import re
from typing import Any

import kubernetes_validate
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpotool.errors import InputError
from hpotool.launch.job import Job
from hpotool.launch.plan import Step
from hpotool.launch.target import Begun, Cargo
from hpotool.launch.targets.kubernetes import (
    KubernetesTarget,
    check,
    job_manifest,
    object_name,
    plan,
    read_objects,
)
from hpotool.study.yaml.document import parse_yaml
from tests.examples import examples
from tests.unit.launch.requests import CODE, VARIABLES, request

OPTIONS = {"image": "registry.example.org/team/model:7"}
FULL = {**OPTIONS, "cpus": 8, "memory": "32Gi", "volume": "shared:/data", "queue": "team", "namespace": "ml"}


def asked(**changes: Any) -> Any:
    return request("kubernetes", **({"options": OPTIONS, "code": None, "code_hash": None} | changes))


@pytest.mark.parametrize("version", ["1.31", "1.36"])
@pytest.mark.parametrize("options", [OPTIONS, FULL])
@pytest.mark.parametrize("gpus", [0, 2])
def test_manifests_are_valid(version: str, options: dict[str, Any], gpus: int) -> None:
    for step in plan(asked(options=options, gpus=gpus, checkpoints="/data/x"), VARIABLES):
        kubernetes_validate.validate(yaml.safe_load(step.reads), version, strict=True)


def test_the_schema_is_a_check_that_can_fail() -> None:
    manifest = job_manifest(asked())
    manifest["spec"]["template"]["spec"]["containers"][0]["imagge"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, "1.36", strict=True)


def test_the_job_is_a_work_queue_that_only_a_finished_study_ends() -> None:
    spec = job_manifest(asked())["spec"]
    # An indexed Job counted an evicted worker as complete: the fleet shrank for good.
    assert "completions" not in spec
    assert "completionMode" not in spec
    assert spec["parallelism"] == 3
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    rules = spec["podFailurePolicy"]["rules"]
    ignored = [
        rule["onExitCodes"]["values"] for rule in rules if rule["action"] == "Ignore" and "onExitCodes" in rule
    ]
    assert ignored == [[75]], "told to leave with work left: another pod comes, and nothing has failed"
    assert any(rule.get("onPodConditions", [{}])[0].get("type") == "DisruptionTarget" for rule in rules)
    assert [rule["onExitCodes"]["values"] for rule in rules if rule["action"] == "FailJob"] == [[2, 3]]
    # Which exit code is whose is asked of the container by its name.
    names = {rule["onExitCodes"]["containerName"] for rule in rules if "onExitCodes" in rule}
    assert names == {spec["template"]["spec"]["containers"][0]["name"]}


def test_a_pod_has_longer_than_its_worker_needs() -> None:
    pod = job_manifest(asked(grace_s=50.0))["spec"]["template"]["spec"]
    words = pod["containers"][0]["command"]
    assert words[words.index("--grace") + 1] == "50s"
    assert pod["terminationGracePeriodSeconds"] == 60
    [lost] = pod["tolerations"]
    assert (lost["key"], lost["tolerationSeconds"]) == ("node.kubernetes.io/unreachable", 60), "not five minutes"
    assert pod["automountServiceAccountToken"] is False


def test_a_worker_is_told_its_image_which_it_cannot_find_out() -> None:
    [container] = job_manifest(asked())["spec"]["template"]["spec"]["containers"]
    told = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert told["HPOTOOL_IMAGE"] == container["image"]


def test_the_secret_is_in_the_secret_alone() -> None:
    secret, job = plan(asked(), VARIABLES)
    assert b"s3cret" in secret.reads
    assert b"s3cret" not in job.reads
    assert "s3cret" not in secret.as_text() + job.as_text()
    assert "s3cret" not in " ".join((*secret.argv, *job.argv))
    # `apply` would keep a copy of the secret in an annotation.
    assert secret.argv == ("kubectl", "create", "-f", "-")


def test_resources_volume_queue_and_place() -> None:
    manifest = job_manifest(asked(options=FULL, gpus=2, checkpoints="/data/x", code="/app"))
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"] == {"requests": {"cpu": "8", "memory": "32Gi"}, "limits": {"nvidia.com/gpu": 2}}
    assert container["volumeMounts"] == [{"name": "checkpoints", "mountPath": "/data"}]
    assert container["workingDir"] == "/app"
    assert "0,1" in container["command"]
    assert manifest["spec"]["suspend"] is True
    assert manifest["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team"
    assert "--namespace=ml" in plan(asked(options=FULL), VARIABLES)[0].argv


@pytest.mark.parametrize("study", ["my model/2", "ÄÖ", "-" * 70, "a" * 90, "x."])
def test_any_study_has_names_that_kubernetes_takes(study: str) -> None:
    name = object_name(asked(study=study))
    assert len(name) <= 63 - len("-abcde")
    kubernetes_validate.validate(job_manifest(asked(study=study)), "1.36", strict=True)
    assert name.startswith("hpotool-")
    assert name.endswith("-0a1b2c")
    assert name == name.strip("-").lower()


@pytest.mark.parametrize(
    ("checkpoints", "volume"), [("/data", None), ("/data2", "c:/data"), ("/x", "c:x"), (None, ":/data")]
)
def test_checkpoints_that_would_go_with_the_pod_are_refused(checkpoints: str | None, volume: str | None) -> None:
    with pytest.raises(InputError) as refused:
        check(asked(checkpoints=checkpoints, options={**OPTIONS, "volume": volume}))
    assert "--volume" in str(refused.value.hint)
    check(asked(checkpoints="s3://b/c"))
    check(asked(checkpoints="/data/x", options={**OPTIONS, "volume": "c:/data/"}))


def pod(name: str, **status: Any) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": name}, "spec": {"nodeName": "n1"}, "status": status}


def container(**state: Any) -> list[dict[str, Any]]:
    return [{"name": "worker", "state": state}]


UNSCHEDULABLE = [
    {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient gpu"}
]
GOING = {**pod("p", phase="Running"), "metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"}}


@pytest.mark.parametrize(
    ("seen", "state", "why"),
    [
        (pod("p", phase="Running", containerStatuses=container(running={})), "running", ""),
        (pod("p", phase="Pending", conditions=UNSCHEDULABLE), "pending", UNSCHEDULABLE[0]["message"]),
        (
            pod(
                "p",
                phase="Pending",
                containerStatuses=container(waiting={"reason": "ErrImagePull", "message": "gone"}),
            ),
            "pending",
            "ErrImagePull: gone",
        ),
        (
            pod("p", phase="Failed", containerStatuses=container(terminated={"exitCode": 75, "reason": "Error"})),
            "ended",
            "Error: exit code 75",
        ),
        (pod("p", phase="Failed", reason="Evicted", message="low on memory"), "ended", "Evicted: low on memory"),
        (pod("p", phase="Unknown"), "unknown", ""),
        (GOING, "unknown", "it is being removed"),
    ],
)
def test_a_pod_is_read_with_the_reason(seen: dict[str, Any], state: str, why: str) -> None:
    assert read_objects({"items": [seen]}) == [Job("p", state, why, "n1")]  # type: ignore[arg-type]


def test_a_job_that_failed_or_waits_for_its_queue_is_shown() -> None:
    failed = {"type": "Failed", "status": "True", "message": "exit code 2"}
    job = {"kind": "Job", "metadata": {"name": "j"}, "spec": {}, "status": {"conditions": [failed]}}
    assert read_objects({"items": [job]})[0].why == "the Job failed: exit code 2"
    suspended = {"kind": "Job", "metadata": {"name": "j"}, "spec": {"suspend": True}}
    assert read_objects({"items": [suspended]})[0].state == "pending"
    running = {"kind": "Job", "metadata": {"name": "j"}, "spec": {}, "status": {}}
    assert read_objects({"items": [running]}) == []


def test_scaling_and_stopping_leave_the_pods_to_the_cluster() -> None:
    steps: list[Step] = []
    target = KubernetesTarget(lambda step: steps.append(step) or "")  # type: ignore[func-returns-value]
    assert target.resize(asked(), Cargo(CODE, VARIABLES), [], 5) == Begun()
    target.stop(asked(), [], [])
    assert steps[0].argv[-1] == '--patch={"spec": {"parallelism": 5}}'
    assert steps[1].argv[1] == "delete"
    assert {"job/hpotool-my-model-2-0a1b2c", "secret/hpotool-my-model-2-0a1b2c"} <= set(steps[1].argv)


@settings(max_examples=examples(60), deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=70))
@example("1e3")
@example("12e05")
@example("0o17")
@example("on")
@example("1_000")
@example("~")
@example("2026-01-01")
@example("---")
def test_a_study_of_any_name_is_text_to_every_reader_of_the_manifest(study: str) -> None:
    """kubectl reads 1e3 as a number where PyYAML reads text, and refuses a number as a word of a command."""
    for step in plan(asked(study=study), VARIABLES):
        text = step.reads.decode()
        manifest: Any = parse_yaml(text, None).plain()
        assert manifest == yaml.safe_load(text)
        name = manifest["metadata"]["name"]
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name)
        for value in manifest["metadata"]["labels"].values():
            assert re.fullmatch(r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]", value)
    words = manifest["spec"]["template"]["spec"]["containers"][0]["command"]
    assert words[words.index("--study") + 1] == study
    assert all(isinstance(word, str) for word in words)


@pytest.mark.parametrize(
    ("volume", "checkpoints"),
    [
        ("shared:/data", "/data"),
        ("shared:/data", "/data/"),
        ("shared:/data/", "/data"),
        ("shared:/data/", "/data/"),
        ("shared:/data", "/data/runs/7"),
        ("shared:/", "/anything"),
        ("shared:/data", "s3://bucket/x"),
        ("shared:/data", None),
        (None, "gs://bucket/x"),
        (None, None),
    ],
)
def test_checkpoints_on_the_volume_or_at_a_url_are_shared(volume: str | None, checkpoints: str | None) -> None:
    check(asked(options={**OPTIONS, "volume": volume}, checkpoints=checkpoints))


@pytest.mark.parametrize(
    ("volume", "checkpoints", "says"),
    [
        (None, "/data", "the checkpoint folder /data is not shared"),
        ("shared:/data", "/database", "the checkpoint folder /database is not shared"),
        ("shared:/data", "/dat", "the checkpoint folder /dat is not shared"),
        ("shared:/data", "data", "the checkpoint folder data is not shared"),
        ("shared:/data", "/data/../etc", "the checkpoint folder /data/../etc is not shared"),
        ("shared", "/data", "--volume shared names no place"),
        ("shared:", None, "--volume shared: names no place"),
        ("shared:data", None, "--volume shared:data names no place"),
        (":/data", None, "--volume :/data names no place"),
        ("/data", None, "--volume /data names no place"),
    ],
)
def test_what_a_pod_would_throw_away_is_refused(volume: str | None, checkpoints: str | None, says: str) -> None:
    with pytest.raises(InputError) as refused:
        check(asked(options={**OPTIONS, "volume": volume}, checkpoints=checkpoints))
    assert refused.value.message.startswith(says)
    assert "--volume" in (refused.value.hint or "")


@settings(max_examples=examples(60))
@given(st.text(max_size=80))
def test_any_study_has_a_name_that_kubernetes_takes(study: str) -> None:
    name = object_name(asked(study=study))
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)
    assert len(name) <= 63
    for label in job_manifest(asked(study=study))["metadata"]["labels"].values():
        assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?", label)
        assert len(label) <= 63


def pod(phase: str = "Running", **status: Any) -> dict[str, Any]:
    return {
        "kind": "Pod", "metadata": {"name": "p"}, "spec": {"nodeName": "n1"}, "status": {"phase": phase, **status},
    }  # fmt: skip


def container(**state: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"state": state}]}


@pytest.mark.parametrize(
    ("item", "state", "why"),
    [
        (pod(), "running", ""),
        (pod(**container(waiting={"reason": "ContainerCreating"})), "pending", "ContainerCreating"),
        (
            pod("Pending", **container(waiting={"reason": "ImagePullBackOff", "message": "no such image"})),
            "pending",
            "ImagePullBackOff: no such image",
        ),
        (pod("Pending"), "pending", ""),
        (
            pod(
                "Pending", conditions=[{"type": "PodScheduled", "status": "False", "message": "no node has a GPU"}]
            ),
            "pending",
            "no node has a GPU",
        ),
        (pod("Pending", conditions=[{"type": "PodScheduled", "status": "True"}]), "pending", ""),
        (pod("Succeeded", **container(terminated={"exitCode": 0})), "ended", "exit code 0"),
        (
            pod("Failed", **container(terminated={"exitCode": 137, "reason": "OOMKilled"})),
            "ended",
            "OOMKilled: exit code 137",
        ),
        (pod("Failed", reason="Evicted", message="disk is full"), "ended", "Evicted: disk is full"),
        (pod("Failed"), "ended", ""),
        (pod("Unknown"), "unknown", ""),
        ({"kind": "Pod", "metadata": {"name": "p"}}, "unknown", ""),
        ({**pod(), "metadata": {"name": "p", "deletionTimestamp": "x"}}, "unknown", "it is being removed"),
        (
            {
                **pod(**container(terminated={"exitCode": 75})),
                "metadata": {"name": "p", "deletionTimestamp": "x"},
            },
            "ended",
            "it is being removed",
        ),
    ],
)
def test_each_state_of_a_pod_is_told_with_its_reason(item: dict[str, Any], state: str, why: str) -> None:
    [job] = read_objects({"items": [item]})
    assert (job.name, job.state, job.why) == ("p", state, why)


def test_a_job_is_told_only_where_it_failed_or_has_no_pods() -> None:
    failed = {
        "kind": "Job", "metadata": {"name": "j"},
        "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]},
    }  # fmt: skip
    waiting = {"kind": "Job", "metadata": {"name": "j"}, "spec": {"suspend": True}}
    fine = {"kind": "Job", "metadata": {"name": "j"}, "status": {"conditions": []}}
    assert [job.why for job in read_objects({"items": [failed, pod()]})] == [
        "", "the Job failed: BackoffLimitExceeded",
    ]  # fmt: skip
    assert [job.state for job in read_objects({"items": [waiting]})] == ["pending"]
    assert [job.name for job in read_objects({"items": [waiting, pod()]})] == ["p"]
    assert read_objects({"items": [fine]}) == []
    assert read_objects({}) == []
