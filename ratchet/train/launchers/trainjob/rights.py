"""What the launcher does in the cluster, as rules of RBAC say it: manifests/components/trainjob grants just this."""

from __future__ import annotations

from ratchet.train.launchers.trainjob.manifest import GROUP, PLURAL

RIGHTS: tuple[tuple[str, str, str], ...] = (
    *((verb, GROUP, PLURAL) for verb in ("create", "get", "patch", "delete")),
    ("get", "", "pods"),
    ("list", "", "pods"),
    ("get", "", "pods/log"),
)
"""Verb, API group, resource (with its part). Without one of these a training fails."""
WORDS: tuple[tuple[str, str, str], ...] = (("list", "", "events"), ("list", "kueue.x-k8s.io", "workloads"))
"""Without these the launcher only says less of what it waits for."""
