"""Requests to the cluster's API for checks: what is there, and what somebody may do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ratchet.errors import PlatformUnavailable
from ratchet.preflight.context import Context
from ratchet.preflight.finding import NotAsked
from ratchet.train.launchers.trainjob.api import Api, Away, NoCluster, Object, Refused, connect

_REVIEW = "/apis/authorization.k8s.io/v1"


@dataclass(frozen=True)
class Right:
    """To do `verb` with a resource ("pods/log"). `needed`: without it something fails, and does not only say less."""

    verb: str
    group: str
    resource: str
    why: str
    needed: bool = True
    name: str | None = None

    @property
    def words(self) -> str:
        group, name = (f".{self.group}" if self.group else ""), (f" {self.name}" if self.name else "")
        return f"{self.verb} {self.resource}{group}{name}"


class Hidden(Exception):
    """The API answered that we may not look."""


def api_of(context: Context) -> Api:
    """A connection, in the namespace of the runs: this pod's own, else the profile's. Raises NotAsked without a cluster."""
    api = reachable()
    if isinstance(api, str):
        raise NotAsked("there is no cluster here, see cluster")
    return api if context.asked.inside or context.profile is None else replace(api, namespace=context.profile.namespace)


def found(api: Api, path: str) -> Object | None:
    """The object at a path, None when it is not there. Raises Hidden and PlatformUnavailable."""
    try:
        return api.ask("GET", path)
    except Refused as refused:
        if refused.code == 404:
            return None
        raise Hidden(str(refused)) from refused
    except Away as error:
        raise PlatformUnavailable(
            f"the Kubernetes API does not answer ({error}); run again when it is back."
        ) from error


def listed(api: Api, path: str) -> list[Object]:
    """The objects of a kind. Raises Hidden and PlatformUnavailable."""
    answer = found(api, path) or {}
    items: list[Object] = answer.get("items", [])
    return items


def denied(api: Api, rights: Sequence[Right], user: str | None = None) -> list[Right]:
    """Those of the rights that we have not, or another user. Raises Hidden where we may not ask for another's."""
    return [one for one in rights if not _may(api, one, user)]


def _may(api: Api, right: Right, user: str | None) -> bool:
    resource, _, part = right.resource.partition("/")
    asked: dict[str, Any] = {"namespace": api.namespace, "verb": right.verb, "group": right.group, "resource": resource}
    more = {key: value for key, value in (("subresource", part), ("name", right.name)) if value}
    spec: dict[str, Any] = {"resourceAttributes": asked | more}
    kind = "SelfSubjectAccessReview"
    if user is not None:
        kind, spec = "SubjectAccessReview", {**spec, "user": user}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    try:
        answer = api.ask("POST", f"{_REVIEW}/{kind.lower()}s", body=body)
    except Refused as refused:
        raise Hidden(str(refused)) from refused
    except Away as error:
        raise PlatformUnavailable(
            f"the Kubernetes API does not answer ({error}); run again when it is back."
        ) from error
    return bool(answer["status"].get("allowed"))


def reachable() -> Api | str:
    """The API, or why there is none here."""
    try:
        return connect()
    except NoCluster as error:
        return error.why
