"""The kinds that every cluster has, as far as somebody here speaks of them. They come without a schema."""

from __future__ import annotations

from ratchet.services.fake_kubernetes.state import Kind

POD = Kind("", "v1", "pods", "Pod", status=False)
EVENT = Kind("", "v1", "events", "Event", status=False)
SECRET = Kind("", "v1", "secrets", "Secret", status=False)
CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap", status=False)
SERVICE_ACCOUNT = Kind("", "v1", "serviceaccounts", "ServiceAccount", status=False)
NAMESPACE = Kind("", "v1", "namespaces", "Namespace", namespaced=False, status=False)
NODE = Kind("", "v1", "nodes", "Node", namespaced=False, status=False)
SELF_REVIEW = Kind(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False, status=False
)
REVIEW = Kind(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False, status=False
)
BUILT_IN = (POD, EVENT, SECRET, CONFIG_MAP, SERVICE_ACCOUNT, NAMESPACE, NODE, SELF_REVIEW, REVIEW)
