"""Which rights a profile's rounds, the trigger, serving and `ratchet logs` need in the cluster: what manifests/ grants."""

from __future__ import annotations

from collections.abc import Mapping

from ratchet.preflight.cluster.asking import Right
from ratchet.profile import Profile
from ratchet.train.launchers.trainjob.rights import RIGHTS, WORDS

TRIGGER = "ratchet-trigger"
_END, _START = "to report a step's end", "to start a step"
ROUNDS = (
    Right("create", "argoproj.io", "workflowtaskresults", _END),
    Right("patch", "argoproj.io", "workflowtaskresults", _END),
    # Asked by Argo's agent, which older releases of Kubeflow Pipelines have not.
    *(Right(verb, "argoproj.io", "workflowtasksets", _START, needed=False) for verb in ("list", "watch")),
    Right("patch", "argoproj.io", "workflowtasksets/status", _START, needed=False),
    Right("get", "", "configmaps", _START, name="kfp-launcher"),
    # Where KFP's own store takes a role and no key there is no such secret.
    Right("get", "", "secrets", _START, needed=False, name="mlpipeline-minio-artifact"),
)
"""What Argo's executor and KFP's launcher ask inside of every pod (manifests/base/rounds-role.yaml)."""
_KFP = "pipelines.kubeflow.org"
_ROUNDS = "to start rounds"
RUNS = (
    *(Right(verb, _KFP, "experiments", _ROUNDS) for verb in ("create", "list")),
    *(Right("list", _KFP, resource, _ROUNDS) for resource in ("pipelines", "pipelines/versions")),
    *(Right(verb, _KFP, "runs", _ROUNDS) for verb in ("create", "list", "terminate")),
)
"""Asked by Kubeflow Pipelines where it serves several users (manifests/base/trigger-role.yaml)."""
_ROLL = "to roll the champion out"
SERVING: Mapping[str, tuple[Right, ...]] = {
    component: tuple(Right(verb, group, resource, _ROLL) for group, resource, verbs in given for verb in verbs)
    for component, given in {
        "serving-kserve": (
            ("serving.kserve.io", "inferenceservices", ("create", "get", "patch", "delete")),
            ("", "configmaps", ("create", "get", "patch")),
        ),
        "serving-deployment": (
            ("apps", "deployments", ("create", "get", "patch", "delete")),
            ("", "services", ("create", "patch", "delete")),
        ),
    }.items()
}
"""By the component of manifests/ that grants them to the trigger."""
LOGS = (
    Right("list", "", "pods", "for `ratchet logs`", needed=False),
    Right("get", "", "pods/log", "for `ratchet logs`", needed=False),
)
"""Whoever reads the logs of runs."""


def needed(profile: Profile) -> list[Right]:
    """The rights of the runs' service account."""
    if profile.launcher.kind != "trainjob":
        return [*ROUNDS]
    must = [Right(*one, "to train as a TrainJob") for one in RIGHTS]
    return [*ROUNDS, *must, *(Right(*one, "to say what it waits for", needed=False) for one in WORDS)]
