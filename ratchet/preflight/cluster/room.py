"""Checks of where pods may lie: nodes that are large enough, queues with quota, and a TrainJob that would be taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ratchet.launching.trainjob import Toleration
from ratchet.preflight.checking import Check
from ratchet.preflight.cluster.asking import Hidden, api_of, found, listed
from ratchet.preflight.context import Context
from ratchet.preflight.finding import Finding, fail, ok, warn, worst
from ratchet.preflight.placing import Wanted, quantity, queues, wanted
from ratchet.train.launchers.trainjob.api import Api, Object

_KUEUE = ("v1beta2", "v1beta1")


def nodes(context: Context) -> Finding:
    """That some node could take each stage's pod: its GPUs, CPUs and memory, its labels and its taints."""
    api = api_of(context)
    try:
        there = listed(api, "/api/v1/nodes")
    except Hidden as error:
        return warn(
            f"nodes cannot be looked at: {error}",
            "Ask with rights on nodes, or look: `kubectl describe nodes | grep -A9 Allocatable`.",
        )
    ready = [one for one in there if _is_ready(one)]
    asked = {
        (tuple(sorted(w.resources.items())), tuple(sorted(w.selector.items())), w.tolerations): w
        for w in wanted(context.where)
    }
    return worst([_fits(one, ready, len(there)) for one in asked.values()])


def _is_ready(node: Object) -> bool:
    conditions = {c["type"]: c["status"] for c in node.get("status", {}).get("conditions", ())}
    return conditions.get("Ready") == "True" and not node.get("spec", {}).get("unschedulable")


def _fits(asked: Wanted, ready: Sequence[Object], count: int) -> Finding:
    """The reasons narrow: labels, then taints, then what is allocatable."""
    labelled = [n for n in ready if asked.selector.items() <= n["metadata"].get("labels", {}).items()]
    if not labelled:
        wanted = ", ".join(f"{k}={v}" for k, v in asked.selector.items()) or "any labels"
        return fail(
            f"{asked.stage}: of {count} nodes, {len(ready)} are ready, and none of these has {wanted}",
            f"Label nodes so, or change node_selector of {asked.stage} in the profile. Where an autoscaler makes them: --skip nodes.",
        )
    borne = [n for n in labelled if not _repels(n, asked.tolerations)]
    if not borne:
        taints = sorted({_taint_words(t) for n in labelled for t in _repels(n, asked.tolerations)})
        return fail(
            f"{asked.stage}: no node whose taints its pods bear ({', '.join(taints)})",
            f"Add tolerations to {asked.stage}.",
        )
    roomy = [n for n in borne if not _short_of(n, asked.resources)]
    if not roomy:
        best = min((_short_of(n, asked.resources) for n in borne), key=len)
        words = ", ".join(best)
        return fail(
            f"{asked.stage}: none of {len(borne)} nodes has enough: {words}",
            f"Lower resources.{asked.stage} in the profile, or add larger nodes (GPUs also need their device plugin).",
        )
    asks = ", ".join(f"{value} {name}" for name, value in asked.resources.items())
    return ok(f"{asked.stage}: {asks} on {len(roomy)} nodes")


def _short_of(node: Object, resources: Mapping[str, str]) -> list[str]:
    there = node.get("status", {}).get("allocatable", {})
    return [
        f"{name} {there.get(name, 0)} of {value}"
        for name, value in resources.items()
        if quantity(there.get(name, 0)) < quantity(value)
    ]


def _repels(node: Object, tolerations: Sequence[Toleration]) -> list[dict[str, Any]]:
    taints = [t for t in node.get("spec", {}).get("taints", ()) if t.get("effect") in ("NoSchedule", "NoExecute")]
    return [taint for taint in taints if not any(_bears(one, taint) for one in tolerations)]


def _bears(one: Toleration, taint: Mapping[str, Any]) -> bool:
    if one.effect not in (None, taint.get("effect")):
        return False
    if one.key is None:
        return True
    return one.key == taint.get("key") and (one.operator == "Exists" or one.value == taint.get("value", ""))


def _taint_words(taint: Mapping[str, Any]) -> str:
    return f"{taint.get('key')}={taint.get('value', '')}:{taint.get('effect')}"


def queue(context: Context) -> Finding:
    """That Kueue's queues are there, take workloads, and have quota for what is asked at once."""
    api, asked = api_of(context), wanted(context.where)
    return worst([_queue(api, name, [one for one in asked if one.queue == name]) for name in queues(context.where)])


def _queue(api: Api, name: str, asked: Sequence[Wanted]) -> Finding:
    try:
        local = _kueue(api, f"namespaces/{api.namespace}/localqueues/{name}")
        if local is None:
            return fail(
                f"there is no LocalQueue {name} in namespace {api.namespace}",
                "Create it (manifests/components has one), install Kueue, or name another queue in the profile.",
            )
        owner = str(local["spec"]["clusterQueue"])
        whole = _kueue(api, f"clusterqueues/{owner}")
    except Hidden as error:
        return warn(
            f"queue {name} cannot be looked at: {error}", f"`kubectl -n {api.namespace} describe localqueue {name}`."
        )
    if whole is None:
        return fail(
            f"LocalQueue {name} belongs to ClusterQueue {owner}, which is not there",
            "Create it, or correct the LocalQueue.",
        )
    stopped = next((q for q in (local, whole) if q["spec"].get("stopPolicy", "None") != "None"), None)
    if stopped is not None:
        policy = f"{stopped['kind']} {stopped['metadata']['name']} is stopped ({stopped['spec']['stopPolicy']})"
        return fail(policy, "Set its stopPolicy to None, or use another queue.")
    inactive = _inactive(local) or _inactive(whole)
    if inactive:
        return fail(f"queue {name} is not active: {inactive}", "Mend what it says (a ResourceFlavor that is missing?).")
    return worst([_quota(name, owner, whole, one) for one in asked])


def _kueue(api: Api, path: str) -> Object | None:
    return next(
        (one for version in _KUEUE if (one := found(api, f"/apis/kueue.x-k8s.io/{version}/{path}")) is not None), None
    )


def _inactive(one: Object) -> str | None:
    said = (c for c in one.get("status", {}).get("conditions", ()) if c["type"] == "Active" and c["status"] != "True")
    return next((str(c.get("message") or c.get("reason") or "no reason given") for c in said), None)


def _quota(name: str, owner: str, whole: Object, asked: Wanted) -> Finding:
    for resource, value in asked.resources.items():
        needs = quantity(value) * asked.count
        groups = [g for g in whole["spec"].get("resourceGroups", ()) if resource in g["coveredResources"]]
        if not groups:
            return fail(
                f"queue {name}: ClusterQueue {owner} has no quota for {resource}, which {asked.stage} asks for",
                f"Add {resource} to a resourceGroup of {owner}, with a quota.",
            )
        most = max(_most(flavor, resource) for flavor in groups[0]["flavors"])
        if most < needs:
            return fail(
                f"queue {name}: {asked.stage} asks for {needs:g} {resource} at once, and the best flavour of {owner} has {most:g}",
                f"Raise the nominalQuota (or borrowingLimit) of {owner}, or ask for less in the profile.",
            )
    return ok(f"queue {name}: quota for {asked.stage}")


def _most(flavor: Mapping[str, Any], resource: str) -> float:
    """What one flavour may give at once: its own and what it may borrow."""
    found = next((one for one in flavor["resources"] if one["name"] == resource), None)
    return quantity(found["nominalQuota"]) + quantity(found.get("borrowingLimit") or 0) if found else 0.0


def trainjob(context: Context) -> Finding:
    """That the API server would take the job: it tries it without making it."""
    from ratchet.train.launchers.trainjob import preflight

    if not context.asked.inside and not context.beginning:
        # Where training itself would be from, that there is no cluster is what this check has to tell.
        api_of(context)
    loop = context.asked.loop or "preflight"
    preflight.check(context.where.placed_launcher, loop, context.places)
    job = context.where.placed_launcher.trainjob
    assert job is not None
    return ok(f"the cluster would take a TrainJob of {context.where.launcher.nodes} nodes with runtime {job.runtime}")


CHECKS = (
    Check("nodes", "nodes with room, GPUs, labels and taints that fit", nodes, ("profile", "cluster"), ("cluster",)),
    Check("queue", "Kueue's queues and their quota", queue, ("profile", "cluster", "queue"), ("cluster",)),
    Check(
        "trainjob",
        "whether the cluster would take the training's job",
        trainjob,
        ("settings", "profile", "trainjob"),
        imports=("kubernetes.client", "kubernetes.config", "ratchet.train.launchers.trainjob.preflight"),
        begins=True,
        limit=70.0,
    ),
)
