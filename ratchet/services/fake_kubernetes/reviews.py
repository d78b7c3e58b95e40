"""Who may do what: the rules of roles, and the reviews that answer it without an attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from ratchet.services.fake_kubernetes.state import Object, Refused

REVIEWS = ("selfsubjectaccessreviews", "subjectaccessreviews")
Roles = Sequence[Mapping[str, Any]]


def allowed(roles: Roles | None, verb: str, group: str, resource: str, name: str | None = None) -> bool:
    """Whether a rule of the roles allows it. `resource` may be "pods/log". No roles at all, as None: everything is allowed."""
    if roles is None:
        return True
    return any(_allows(rule, verb, group, resource, name) for role in roles for rule in role["rules"])


def _allows(rule: Mapping[str, Any], verb: str, group: str, resource: str, name: str | None) -> bool:
    pairs = (("apiGroups", group), ("resources", resource), ("verbs", verb))
    named = rule.get("resourceNames")
    return all({value, "*"} & {*rule.get(field, ())} for field, value in pairs) and (not named or name in named)


def reviewed(given: Mapping[str, Any], roles: Roles | None, others: Mapping[str, Roles]) -> Object:
    """A review with its status: of whoever asks, or of the user that it names. Users whom nobody knows may do nothing."""
    asked = given["spec"].get("resourceAttributes")
    if asked is None:
        raise Refused(422, "Invalid", "spec.resourceAttributes: Required value")
    whose = others.get(given["spec"]["user"], ()) if "user" in given["spec"] else roles
    resource = f"{asked['resource']}/{asked['subresource']}" if asked.get("subresource") else asked["resource"]
    may = allowed(whose, asked["verb"], asked.get("group", ""), resource, asked.get("name"))
    return {**deepcopy(dict(given)), "status": {"allowed": may}}
