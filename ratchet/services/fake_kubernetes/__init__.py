"""A Kubernetes API server in this process, for tests and trials of what talks to a cluster.

    with FakeKubernetes(crds=[crd]) as cluster:
        ...  # cluster.url speaks the API

It knows pods, events, secrets, config maps, service accounts, namespaces, nodes and reviews of rights,
and every kind whose CustomResourceDefinition it is given, whose objects it checks
against that definition's schema. kmock, the library for this, checks nothing, keeps no finalizers and owners, and says of
itself that it is at an early stage.
"""

from ratchet.services.fake_kubernetes.schemas import ObjectSchema, crd_versions
from ratchet.services.fake_kubernetes.server import FakeKubernetes
from ratchet.services.fake_kubernetes.serving import FakeServing
from ratchet.services.fake_kubernetes.state import Kind, Refused, State
from ratchet.services.fake_kubernetes.trainer import FakeTrainer

__all__ = ["FakeKubernetes", "FakeServing", "FakeTrainer", "Kind", "ObjectSchema", "Refused", "State", "crd_versions"]
