"""Workers as a Job of Kubernetes: pods that are replaced until the study is done.

A work-queue Job (``parallelism`` without ``completions``): the first worker that finds the study done ends it, as
soon as all left. One that was evicted or preempted leaves with exit code 75, which the pod failure policy ignores:
another pod takes its place. Wrong input (2, 3) fails the Job at once, so that nothing starts over and over.
Needs Kubernetes 1.31 or newer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from posixpath import normpath
from typing import Any

from hpotool.errors import InputError
from hpotool.launch.environment import mask
from hpotool.launch.job import Job, JobState
from hpotool.launch.plan import Runner, Step
from hpotool.launch.request import HAND_BACK_S, Request
from hpotool.launch.target import Begun, Cargo, Target
from hpotool.study.yaml.document import format_yaml

_LABEL = "hpotool/launch"
_WRONG_INPUT = [2, 3]
_TOLD_TO_LEAVE = 75
_LOST_NODE_S = (
    60  # after which the pods of a node that does not answer are given up; others have their trials by then
)


def check(request: Request) -> None:
    """Nothing, where the pods can work as asked.

    Raises:
        InputError: the checkpoints would be thrown away with each pod, or a volume makes no sense.
    """
    volume, checkpoints = request.options.get("volume"), request.checkpoints
    path = None
    if volume:
        claim, _, path = str(volume).partition(":")
        if not claim or not path.startswith("/"):
            raise InputError(f"--volume {volume} names no place", "write it like --volume CLAIM:/checkpoints")
    if checkpoints is None or "://" in checkpoints:
        return
    if path is None or not PurePosixPath(normpath(checkpoints)).is_relative_to(normpath(path)):
        raise InputError(
            f"the checkpoint folder {checkpoints} is not shared: it would be thrown away with each pod",
            f"mount a claim that many nodes may write (ReadWriteMany) with --volume CLAIM:{checkpoints}, "
            "or name a URL like s3://bucket/checkpoints",
        )


def plan(request: Request, variables: Mapping[str, str]) -> list[Step]:
    """The steps that make the secret and the Job."""
    kubectl = kubectl_words(request)
    secret, shown = (_yaml(secret_manifest(request, each)) for each in (variables, mask(variables)))
    return [
        Step("what the workers must know", (*kubectl, "create", "-f", "-"), secret.encode(), shown),
        Step("the workers", (*kubectl, "create", "-f", "-"), _yaml(job_manifest(request)).encode()),
    ]


def object_name(request: Request) -> str:
    """The name of Job and secret: what Kubernetes takes of the study's name, and the launch's own end."""
    study = re.sub(r"[^a-z0-9]+", "-", request.study.lower()).strip("-")[:40].rstrip("-")
    return "-".join(part for part in ("hpotool", study, request.launch_id.rpartition("-")[2]) if part)


def secret_manifest(request: Request, variables: Mapping[str, str]) -> dict[str, Any]:
    """The secret that holds the workers' environment."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": object_name(request), "labels": _labels(request)},
        "type": "Opaque",
        "stringData": dict(variables),
    }


def job_manifest(request: Request) -> dict[str, Any]:
    """The Job."""
    queue = request.options.get("queue")
    labels = _labels(request) | ({"kueue.x-k8s.io/queue-name": queue} if queue else {})
    spec = {
        "parallelism": request.workers,
        "backoffLimit": 10,
        "podFailurePolicy": {
            "rules": [
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                {"action": "Ignore", "onExitCodes": _exit_codes([_TOLD_TO_LEAVE])},
                {"action": "FailJob", "onExitCodes": _exit_codes(_WRONG_INPUT)},
            ]
        },
        "ttlSecondsAfterFinished": 86400,
        **({"suspend": True} if queue else {}),  # Kueue lets it go when there is room
        "template": {"metadata": {"labels": _labels(request)}, "spec": _pod(request)},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": object_name(request),
            "labels": labels,
            "annotations": {"hpotool/study": request.study},
        },
        "spec": spec,
    }


def kubectl_words(request: Request) -> tuple[str, ...]:
    """kubectl, and which cluster and namespace it is to use."""
    named = {"--context": request.options.get("context"), "--namespace": request.options.get("namespace")}
    return ("kubectl", *(f"{option}={value}" for option, value in named.items() if value))


def scale(request: Request, workers: int) -> list[Step]:
    """The step that changes the number of pods; those that are too many hand their trial back."""
    patch = json.dumps({"spec": {"parallelism": workers}})
    words = ("patch", "job", object_name(request), "--type=merge", f"--patch={patch}")
    return [Step("change the number of pods", (*kubectl_words(request), *words))]


def stop(request: Request) -> list[Step]:
    """The step that removes the Job with its pods, and the secret."""
    name = object_name(request)
    words = ("delete", "--ignore-not-found", "--wait=false", f"job/{name}", f"secret/{name}")
    return [Step("remove the Job and the secret", (*kubectl_words(request), *words))]


def look(request: Request, run: Runner) -> list[Job]:
    """What the cluster says of the launch's pods, and of the Job itself where it has none."""
    words = ("get", "pods,jobs", f"--selector={_LABEL}={request.launch_id}", "--output=json")
    return read_objects(json.loads(run(Step("ask the cluster", (*kubectl_words(request), *words)))))


def read_objects(answer: Mapping[str, Any]) -> list[Job]:
    """Pods, and a Job that failed or waits without any, as jobs."""
    items = answer.get("items", [])
    pods = [_read_pod(item) for item in items if item["kind"] == "Pod"]
    whole = [_read_job(item) for item in items if item["kind"] == "Job"]
    return [*pods, *(job for job in whole if job is not None and (job.state == "ended" or not pods))]


def _read_pod(pod: Mapping[str, Any]) -> Job:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    where = pod.get("spec", {}).get("nodeName", "")
    containers = status.get("containerStatuses", [])
    states = [each.get("state", {}) for each in containers]
    waiting = next((state["waiting"] for state in states if "waiting" in state), None)
    ended = next((state["terminated"] for state in states if "terminated" in state), None)
    phase = status.get("phase", "Unknown")
    if pod["metadata"].get("deletionTimestamp"):
        return Job(name, "ended" if ended else "unknown", "it is being removed", where)
    if phase == "Pending":
        return Job(name, "pending", _why_pending(status, waiting), where)
    if phase == "Running":
        return (
            Job(name, "pending", _why_pending(status, waiting), where)
            if waiting
            else Job(name, "running", "", where)
        )
    state: JobState = "ended" if phase in ("Succeeded", "Failed") else "unknown"
    said = f"exit code {ended['exitCode']}" if ended else status.get("message", "")
    reason = status.get("reason") or (ended or {}).get("reason", "")
    return Job(name, state, ": ".join(part for part in (reason, said) if part), where)


def _why_pending(status: Mapping[str, Any], waiting: Mapping[str, Any] | None) -> str:
    if waiting is not None:
        return ": ".join(part for part in (waiting.get("reason", ""), waiting.get("message", "")) if part)
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message") or condition.get("reason") or "")
    return ""


def _read_job(job: Mapping[str, Any]) -> Job | None:
    name = job["metadata"]["name"]
    conditions = {
        each["type"]: each for each in job.get("status", {}).get("conditions", []) if each["status"] == "True"
    }
    if "Failed" in conditions:
        failed = conditions["Failed"]
        return Job(name, "ended", f"the Job failed: {failed.get('message') or failed.get('reason', '')}")
    if job.get("spec", {}).get("suspend"):
        return Job(name, "pending", "the Job is suspended: its queue has no room yet")
    return None


def _pod(request: Request) -> dict[str, Any]:
    options = request.options
    asked = {"cpu": options.get("cpus"), "memory": options.get("memory")}
    requests = {name: str(value) for name, value in asked.items() if value}
    limits = {"nvidia.com/gpu": request.gpus} if request.gpus else {}
    volume, _, path = str(options.get("volume") or "").partition(":")
    container = {
        "name": "worker",
        "image": options["image"],
        "command": request.worker_words(),
        "env": [
            {"name": "HPOTOOL_LAUNCH", "value": request.launch_id},
            {"name": "HPOTOOL_IMAGE", "value": options["image"]},
            {"name": "HPOTOOL_JOB", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "envFrom": [{"secretRef": {"name": object_name(request)}}],
        "resources": {
            **({"requests": requests} if requests else {}),
            **({"limits": limits} if limits else {}),
        },
        **({"volumeMounts": [{"name": "checkpoints", "mountPath": path}]} if volume else {}),
        **({"workingDir": request.code} if request.code else {}),
    }
    unreachable = {
        "key": "node.kubernetes.io/unreachable",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": _LOST_NODE_S,
    }
    claim = {"name": "checkpoints", "persistentVolumeClaim": {"claimName": volume}}
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": round(request.grace_s + HAND_BACK_S),
        "automountServiceAccountToken": False,
        "tolerations": [unreachable],
        "containers": [container],
        **({"volumes": [claim]} if volume else {}),
    }


def _labels(request: Request) -> dict[str, str]:
    study = re.sub(r"[^A-Za-z0-9_.-]+", "-", request.study)[:63].strip("-_.")
    return {
        "app.kubernetes.io/name": "hpotool",
        _LABEL: request.launch_id,
        **({"hpotool/study": study} if study else {}),
    }


def _exit_codes(values: Sequence[int]) -> dict[str, Any]:
    return {"containerName": "worker", "operator": "In", "values": list(values)}


def _yaml(manifest: Mapping[str, Any]) -> str:
    return format_yaml(dict(manifest))  # quotes 1e3, which PyYAML takes for text and kubectl for a number


class KubernetesTarget(Target):
    """A cluster that kubectl reaches."""

    name = "kubernetes"
    has_own_code = True

    def prepare(self, request: Request) -> Request:
        """See `Target`."""
        check(request)
        return request

    def steps(self, request: Request, cargo: Cargo, jobs: Sequence[Job] = ()) -> list[Step]:
        """See `Target`."""
        return plan(request, cargo.variables)

    def look(self, request: Request, names: Sequence[str]) -> list[Job]:
        """See `Target`."""
        return look(request, self._run)

    def end(self, request: Request, jobs: Sequence[Job]) -> None:
        """See `Target`; a pod that is deleted is replaced: what is too many goes by `resize`."""
        for job in jobs:
            words = ("delete", "--ignore-not-found", "--wait=false", f"pod/{job.name}")
            self._run(Step("remove a pod", (*kubectl_words(request), *words)))

    def stop(self, request: Request, names: Sequence[str], jobs: Sequence[Job]) -> None:
        """See `Target`."""
        for step in stop(request):
            self._run(step)

    def resize(self, request: Request, cargo: Cargo, jobs: Sequence[Job], wanted: int) -> Begun | list[Job]:
        """See `Target`; the cluster itself starts pods and ends them, and a worker that it ends hands back."""
        for step in scale(request, wanted):
            self._run(step)
        return Begun()
