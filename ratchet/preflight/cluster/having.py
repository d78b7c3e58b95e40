"""Checks of what a namespace has to have: Kubeflow Pipelines, secrets, config maps, the service account and its rights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ratchet.errors import PlatformError
from ratchet.preflight.checking import Check
from ratchet.preflight.cluster.asking import Hidden, Right, api_of, denied, found, reachable
from ratchet.preflight.cluster.rights import LOGS, RUNS, SERVING, TRIGGER, needed
from ratchet.preflight.context import Context
from ratchet.preflight.finding import Finding, fail, ok, skipped, warn, worst
from ratchet.train.launchers.trainjob.api import Api, Away, Refused

OLDEST = (1, 25)


def cluster(context: Context) -> Finding:
    """Whether there is a cluster to ask: a kubeconfig, or a pod's token."""
    there = reachable()
    if isinstance(there, str):
        if context.asked.inside:
            return skipped(
                "this pod has no token of its service account (automountServiceAccountToken: false); run "
                "`ratchet preflight` where kubectl works to look at the cluster"
            )
        return warn(f"no cluster to ask: {there}", "Run it where kubectl works, or in a pod with --in-cluster.")
    api = api_of(context)
    try:
        version = api.ask("GET", "/version")
    except (Away, Refused) as error:
        return fail(f"the Kubernetes API does not answer: {error}", "Check KUBECONFIG, its context and the network.")
    numbers = (int(version["major"]), int("".join(filter(str.isdigit, version["minor"]))))
    words = f"Kubernetes {version['gitVersion']}, namespace {api.namespace}"
    if numbers < OLDEST:
        return fail(
            f"{words} is too old", f"Upgrade it to {OLDEST[0]}.{OLDEST[1]} or later (Pod Security, strict fields)."
        )
    return ok(words)


def pipelines(context: Context) -> Finding:
    """That Kubeflow Pipelines answers, takes our credentials and is new enough."""
    from ratchet.platform.asking import Patience
    from ratchet.platform.places import Place

    try:
        client = Place.of(context.where).connect(Patience(tries=2, answer=8.0))
    except PlatformError as error:
        return fail(str(error), "Name its API, as the words on the left say.")
    try:
        health = client.health
        if context.asked.loop is not None:
            client.find_experiment(Place.of(context.where).experiment_of(context.asked.loop))
    except PlatformError as error:
        return fail(str(error), "Run `ratchet preflight --only pipelines` again when that is done.")
    users = "several users" if health.multi_user else "one user"
    return ok(f"Kubeflow Pipelines {health.release or 'of unknown release'} at {client.access.address}, for {users}")


def secrets(context: Context) -> Finding:
    """That the secrets and config maps which the profile names are there, with their keys. Values are not looked at."""
    profile, api = context.where, api_of(context)
    kinds = (("secrets", profile.secrets), ("configmaps", profile.config_maps))
    findings = [_has(api, kind, name, keys) for kind, named in kinds for name, keys in named.items()]
    findings += [_has(api, "secrets", name, {}) for name in profile.image_pull_secrets]
    findings += [_has(api, "secrets", name, keys, optional=True) for name, keys in profile.optional_secrets.items()]
    return worst(findings) if findings else ok("the profile names no secret and no config map")


def _has(api: Api, kind: str, name: str, keys: Mapping[str, str], *, optional: bool = False) -> Finding:
    look = f"kubectl -n {api.namespace} get {kind} {name}"
    what = f"{'secret' if kind == 'secrets' else 'config map'} {name}"
    try:
        there = found(api, f"/api/v1/namespaces/{api.namespace}/{kind}/{name}")
    except Hidden:
        right = Right("get", "", kind, "")
        denial = "SelfSubjectAccessReview denies" if denied(api, [right]) else "the API refuses"
        return warn(f"{what} cannot be looked at: {denial} `{right.words}`", f"Look yourself: `{look} -o yaml`.")
    if there is None:
        if optional:
            return ok(f"{what} is not there, and need not be")
        return fail(
            f"{what} is not in namespace {api.namespace}",
            f"Create it with the keys {', '.join(sorted(keys)) or 'of its kind'} (docs/kubernetes.md), or correct the profile.",
        )
    missing = sorted(set(keys) - {*there.get("data", {}), *there.get("binaryData", {})})
    if missing:
        return fail(
            f"{what} lacks {', '.join(missing)}", f"Add the keys to it, or correct the profile: `{look} -o yaml`."
        )
    return ok(f"{what}: {len(keys)} keys")


def account(context: Context) -> Finding:
    """That the service account of the runs is there."""
    api, name = api_of(context), context.where.service_account
    try:
        there = found(api, f"/api/v1/namespaces/{api.namespace}/serviceaccounts/{name}")
    except Hidden as error:
        return warn(
            f"service account {name} cannot be looked at: {error}", f"`kubectl -n {api.namespace} get sa {name}`."
        )
    if there is None:
        return fail(
            f"service account {name} is not in namespace {api.namespace}",
            f"`kubectl -n {api.namespace} apply -k manifests/overlays/existing-platform`, or name another in the profile.",
        )
    role = there["metadata"].get("annotations", {}).get("eks.amazonaws.com/role-arn")
    return ok(f"service account {name}" + (f", role {role}" if role else ""))


def rights(context: Context) -> Finding:
    """What the service accounts may do: a pod asks it of itself, an operator by reviews of their names."""
    api, account = api_of(context), context.where.service_account
    wanted = needed(context.where)
    if context.asked.inside:
        return _may(api, account, wanted, None)
    findings = [_may(api, account, wanted, _user(api, account)), _may(api, "this user", [*LOGS], None)]
    if _is_there(api, TRIGGER):
        user = _user(api, TRIGGER)
        findings += [_may(api, TRIGGER, [*RUNS], user), *_serving(api, user)]
    return worst(findings)


def _user(api: Api, account: str) -> str:
    return f"system:serviceaccount:{api.namespace}:{account}"


def _may(api: Api, who: str, wanted: Sequence[Right], user: str | None) -> Finding:
    try:
        lacking = denied(api, wanted, user)
    except Hidden as error:
        return warn(
            f"the rights of {who} cannot be asked for: {error}", "Run it in a pod of the round with --in-cluster."
        )
    must = [one for one in lacking if one.needed]
    words = ", ".join(f"{one.words} ({one.why})" for one in must or lacking)
    fix = "Apply manifests/base and, for launcher trainjob, manifests/components/trainjob: their Roles grant just this."
    if must:
        return fail(f"{who} may not {words}", fix)
    return warn(f"{who} may not {words}", fix) if lacking else ok(f"{who} may do the {len(wanted)} things it does")


def _serving(api: Api, user: str) -> list[Finding]:
    """Nothing where serving is not used: none of its rights is given then."""
    findings = []
    for component, wanted in SERVING.items():
        try:
            lacking = denied(api, wanted, user)
        except Hidden:
            continue  # told of its other rights already
        if 0 < len(lacking) < len(wanted):
            words = ", ".join(one.words for one in lacking)
            fix = f"Apply manifests/components/{component} again: its Role grants just this."
            findings.append(fail(f"{TRIGGER} may not {words} ({lacking[0].why})", fix))
    return findings


def _is_there(api: Api, account: str) -> bool:
    try:
        return found(api, f"/api/v1/namespaces/{api.namespace}/serviceaccounts/{account}") is not None
    except Hidden:
        return False


CHECKS = (
    Check(
        "pipelines",
        "Kubeflow Pipelines answers, and its release",
        pipelines,
        ("profile", "cluster"),
        imports=("kfp_server_api",),
    ),
    Check(
        "cluster",
        "the Kubernetes API and its version",
        cluster,
        ("cluster",),
        imports=("kubernetes.client", "kubernetes.config"),
    ),
    Check("secrets", "secrets and config maps, with their keys", secrets, ("profile", "cluster"), ("cluster",)),
    Check("account", "the runs' service account", account, ("profile", "cluster"), ("cluster",)),
    Check("rights", "what the service account may do", rights, ("profile", "cluster"), ("cluster",)),
)
