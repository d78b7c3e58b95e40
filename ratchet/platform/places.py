"""What of a profile says where in Kubeflow Pipelines its rounds are: address, namespace, names."""

from __future__ import annotations

from dataclasses import dataclass

from ratchet.platform.access import find_access
from ratchet.platform.asking import Patience
from ratchet.platform.pipelines import DEFAULT, Pipelines
from ratchet.profile import Profile

DEFAULT_NAMESPACE = "kubeflow"


@dataclass(frozen=True)
class Place:
    """`pipeline` is one for all loops of a profile, since the profile is compiled in; experiments are one a loop."""

    pipeline: str
    namespace: str
    service_account: str | None
    experiment: str | None
    api: str | None

    @classmethod
    def of(cls, profile: Profile) -> Place:
        return cls(
            pipeline=pipeline_of(profile.name, profile.namespace),
            namespace=profile.namespace,
            service_account=profile.service_account,
            experiment=profile.experiment,
            api=profile.api,
        )

    def experiment_of(self, loop: str) -> str:
        return self.experiment or loop

    def connect(self, patience: Patience = DEFAULT) -> Pipelines:
        return Pipelines(find_access(self.api), self.namespace, patience)


def pipeline_of(profile: str, namespace: str) -> str:
    """Its name says the namespace, too: an installation for one user has one list of pipelines for profiles of any namespace.

    What comes after the last dot is a namespace, which has none itself, so two that differ never share a name.
    """
    return (
        f"ratchet-{profile}"
        if namespace == DEFAULT_NAMESPACE and "." not in profile
        else f"ratchet-{profile}.{namespace}"
    )
