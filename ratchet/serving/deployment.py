"""Rolling a Deployment of vLLM behind a Service. Every step can be taken again: where it is follows from the cluster.

nothing there                 make it, ask it
another version serves        a canary beside it, asked at an address of its own; then it takes its share of the Service's
                              traffic for a while; then the Deployment is rolled, and the canary goes
the canary is no good         it goes, the Service is the old version's alone, and why is noted on the Deployment
the first is no good          its Deployment stays without pods, with the note
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ratchet.serving import checking
from ratchet.serving.cluster import Cluster
from ratchet.serving.manifest import (
    CANARY,
    STABLE,
    TRACK,
    Object,
    Wanted,
    deployment,
    noted,
    service,
)
from ratchet.serving.notes import SERVED, Notes, annotations_of, spec_of
from ratchet.serving.outcome import Aborted, Said, State
from ratchet.store import Store

KIND = "Deployment"


class Rolled:
    """One roll. `still` says whether the version is champion yet."""

    def __init__(self, cluster: Cluster, store: Store, wanted: Wanted, say: Said, still: Callable[[], bool]) -> None:
        self.cluster, self.store, self.wanted, self.say, self.still = cluster, store, wanted, say, still
        self.canary = f"{wanted.name}-canary"
        self.notes = Notes(cluster, KIND, wanted.name)

    def roll(self) -> State:
        """Raises Aborted, after all traffic is the old version's again."""
        found = self.cluster.get(KIND, self.wanted.name)
        served = self.notes.read().get(SERVED)
        if found is None or served is None:
            return self._first(found)
        if served == spec_of(found) == self.wanted.spec:
            self._settle()
            return "unchanged"
        try:
            self._try_canary()
            if spec_of(found) == self.wanted.spec:
                found = None  # An earlier call was interrupted while the Deployment rolled: what was before is gone.
            self._take_over(found)
        except Aborted as aborted:
            self.back(aborted)
            raise
        self._settle()
        return "served"

    def back(self, aborted: Aborted) -> None:
        """All traffic to what served before; where nothing did, a Deployment without pods keeps the note."""
        if SERVED in self.notes.read():
            self._traffic(all_tracks=False)
            self._remove_canary()
        else:
            self.cluster.patch(KIND, self.wanted.name, {"spec": {"replicas": 0}})
        self.notes.aborted(self.wanted, aborted)

    def _first(self, found: Object | None) -> State:
        """`found`: what an earlier call made and has not asked yet."""
        self.say(f"deploying version {self.wanted.version.version} as {self.wanted.name}: nothing served before")
        self.cluster.create(service(self.wanted, STABLE))
        new = deployment(self.wanted, STABLE)
        if found is None:
            self.cluster.create(new)
        else:
            self.cluster.replace(KIND, self.wanted.name, new["spec"], noted(self.wanted))
        try:
            self._ready(self.wanted.name)
            self._answers(self._url(self.wanted.name))
            self.notes.check(self.wanted)
        except Aborted as aborted:
            self.back(aborted)
            raise
        self.notes.serves(self.wanted)
        return "served"

    def _try_canary(self) -> None:
        found = self.cluster.get(KIND, self.canary)
        if found is not None and spec_of(found) != self.wanted.spec:
            self._remove_canary()
            gone = self.cluster.wait(lambda: self.cluster.get(KIND, self.canary) is None, 600)
            found = None if gone else found
        if found is None:
            self.say(f"trying version {self.wanted.version.version} as {self.canary}, without traffic")
        self.cluster.create(service(self.wanted, CANARY))
        self.cluster.create(deployment(self.wanted, CANARY))
        self._ready(self.canary)
        self._answers(self._url(self.canary))
        self.say("it answers; it takes its share of the traffic now")
        self._traffic(all_tracks=True)
        checking.soak(self._url(self.canary), self.wanted, self.still, self.cluster.poll)

    def _take_over(self, old: Object | None) -> None:
        self.notes.check(self.wanted)
        new = deployment(self.wanted, STABLE)
        self.say(f"version {self.wanted.version.version} takes all traffic")
        self.cluster.replace(KIND, self.wanted.name, new["spec"], noted(self.wanted))
        try:
            self._ready(self.wanted.name)
        except Aborted:
            if old is not None:
                before = {key: annotations_of(old).get(key) for key in noted(self.wanted)}
                self.cluster.replace(KIND, self.wanted.name, old["spec"], before)
            raise
        self.notes.serves(self.wanted)

    def _settle(self) -> None:
        self._traffic(all_tracks=False)
        self._remove_canary()

    def _traffic(self, *, all_tracks: bool) -> None:
        """The Service's selector decides: the stable pods alone, or all."""
        self.cluster.create(service(self.wanted, STABLE))
        selector = {TRACK: None if all_tracks else STABLE}
        self.cluster.patch("Service", self.wanted.name, {"spec": {"selector": selector}})

    def _remove_canary(self) -> None:
        self.cluster.delete(KIND, self.canary)
        self.cluster.delete("Service", self.canary)

    def _ready(self, name: str) -> None:
        seconds = self.wanted.config.canary.ready_minutes * 60
        if not self.cluster.wait(lambda: is_ready(self.cluster.get(KIND, name)), seconds):
            raise Aborted(
                f"{name} was not ready within canary.ready_minutes ({self.wanted.config.canary.ready_minutes:g}); see "
                f"`kubectl describe deployment {name}` and the logs of its pods"
            )

    def _answers(self, url: str) -> None:
        wrong = checking.answering(url, self.wanted, self.store)
        if wrong is not None:
            raise Aborted(f"version {self.wanted.version.version} does not answer as it should: {wrong}")

    def _url(self, name: str) -> str:
        return (self.wanted.config.canary.url or f"http://{name}.{self.cluster.api.namespace}.svc").rstrip("/")


def is_ready(found: Any) -> bool:
    """All pods of the newest template are available, and no old one is left."""
    if found is None:
        return False
    status, wanted = found.get("status", {}), found["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= found["metadata"].get("generation", 1)
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return seen and wanted > 0 and counts == [wanted] * 3
