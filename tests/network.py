"""Who may speak with whom by NetworkPolicies, as Kubernetes defines it: what is selected is denied all that no rule allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Policy = Mapping[str, Any]
"""A whole object: a policy without a namespace is in that of nobody."""


@dataclass(frozen=True)
class Pod:
    namespace: str
    labels: Mapping[str, str]
    namespace_labels: Mapping[str, str] = field(default_factory=dict)

    def of_namespace(self) -> Mapping[str, str]:
        return {"kubernetes.io/metadata.name": self.namespace, **self.namespace_labels}


@dataclass(frozen=True)
class Outside:
    """An address that is none of a pod."""

    address: str


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    assert selector.keys() <= {"matchLabels", "matchExpressions"}, selector
    for rule in selector.get("matchExpressions", []):
        value = labels.get(rule["key"])
        match rule["operator"]:
            case "In":
                fits = value in rule["values"]
            case "NotIn":
                fits = value not in rule["values"]
            case "Exists":
                fits = value is not None
            case "DoesNotExist":
                fits = value is None
            case other:
                raise AssertionError(f"no operator {other}")
        if not fits:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def _is(peer: Mapping[str, Any], other: Pod | Outside, home: str) -> bool:
    """A block holds addresses of no pod: whether it holds those of pods too is left to the network, so nothing may rely on it."""
    if "ipBlock" in peer:
        return isinstance(other, Outside) and _holds(peer["ipBlock"], other.address)
    if isinstance(other, Outside):
        return False
    near = other.namespace == home
    there = selects(peer["namespaceSelector"], other.of_namespace()) if "namespaceSelector" in peer else near
    return there and selects(peer.get("podSelector", {}), other.labels)


def _holds(block: Mapping[str, Any], address: str) -> bool:
    given = ip_address(address)
    return given in ip_network(block["cidr"]) and not any(given in ip_network(one) for one in block.get("except", []))


def _lets(rule: Mapping[str, Any], side: str, other: Pod | Outside, home: str, port: int, protocol: str) -> bool:
    peers, ports = rule.get(side), rule.get("ports")
    if peers and not any(_is(peer, other, home) for peer in peers):
        return False
    return not ports or any((one["protocol"], one.get("port", port)) == (protocol, port) for one in ports)


def _passes(
    policies: Iterable[Policy], way: str, pod: Pod | Outside, other: Pod | Outside, port: int, protocol: str
) -> bool:
    if isinstance(pod, Outside):
        return True
    side = {"Egress": "to", "Ingress": "from"}[way]
    bound = [
        one["spec"]
        for one in policies
        if one["metadata"].get("namespace") == pod.namespace
        and way in one["spec"]["policyTypes"]
        and selects(one["spec"]["podSelector"], pod.labels)
    ]
    rules = [rule for spec in bound for rule in spec.get(way.lower(), [])]
    return not bound or any(_lets(rule, side, other, pod.namespace, port, protocol) for rule in rules)


def allowed(
    policies: Iterable[Policy], source: Pod | Outside, target: Pod | Outside, port: int, protocol: str = "TCP"
) -> bool:
    """`port` is the target pod's own: policies see it after the Service's was replaced."""
    known = list(policies)
    out = _passes(known, "Egress", source, target, port, protocol)
    return out and _passes(known, "Ingress", target, source, port, protocol)
