"""Which rights a profile's rounds need in the cluster."""

from __future__ import annotations

from ratchet.preflight.cluster.asking import Right
from ratchet.profile import Profile
from ratchet.train.launchers.trainjob.rights import RIGHTS, WORDS


def needed(profile: Profile) -> list[Right]:
    """The rights of the runs' service account. Only training as a TrainJob speaks with the Kubernetes API."""
    if profile.launcher.kind != "trainjob":
        return []
    must = [Right(*one, "to train as a TrainJob") for one in RIGHTS]
    return must + [Right(*one, "to say what it waits for", needed=False) for one in WORDS]
