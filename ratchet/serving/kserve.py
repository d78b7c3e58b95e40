"""Rolling an InferenceService: KServe keeps the revision that served, and Knative shares the traffic.

nothing there              make it, ask it
another revision serves    a new revision without traffic, asked at its tag's address; canary.percent of the traffic for a
                           while; then all
the new one is no good     its share is 0, and why is noted in the ConfigMap; where it is the first, the InferenceService goes
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ratchet.serving import checking
from ratchet.serving.cluster import Cluster
from ratchet.serving.manifest import Object, Wanted, inference_service
from ratchet.serving.notes import SERVED, Notes, spec_of
from ratchet.serving.outcome import Aborted, Said, State
from ratchet.store import Store

KIND = "InferenceService"
ALL = 100
GOING_SECONDS = 600.0


class Shared:
    """One roll. `still` says whether the version is champion yet."""

    def __init__(self, cluster: Cluster, store: Store, wanted: Wanted, say: Said, still: Callable[[], bool]) -> None:
        self.cluster, self.store, self.wanted, self.say, self.still = cluster, store, wanted, say, still
        self.notes = Notes(cluster, KIND, wanted.name)

    def roll(self) -> State:
        """Raises Aborted, after all traffic is the old revision's again."""
        found = self._standing()
        served = self.notes.read().get(SERVED) if found is not None else None
        if found is not None and served == self.wanted.spec:
            if spec_of(found) != served:
                self._share(
                    0
                )  # An earlier call was interrupted while another version, no champion any more, had its share.
            return "unchanged"
        try:
            if spec_of(found) != self.wanted.spec:
                self._ask_for(first=served is None, there=found is not None)
            self._try(first=served is None)
        except Aborted as aborted:
            self.back(aborted)
            raise
        return "served"

    def back(self, aborted: Aborted) -> None:
        """All traffic to the revision that served before; where none did, the InferenceService goes."""
        if SERVED in self.notes.read():
            self._share(0)
        else:
            self.cluster.delete(KIND, self.wanted.name)
        self.notes.aborted(self.wanted, aborted)

    def _ask_for(self, *, first: bool, there: bool) -> None:
        words = "nothing served before" if first else "a revision without traffic"
        self.say(
            f"{'deploying' if first else 'trying'} version {self.wanted.version.version} as {self.wanted.name}: {words}"
        )
        new = inference_service(self.wanted, None if first else 0)
        if there:
            self.cluster.replace(KIND, self.wanted.name, new["spec"], new["metadata"]["annotations"])
        else:
            self.notes.forget(self.wanted)
            self.cluster.create(new)

    def _try(self, *, first: bool) -> None:
        self._ready()
        url = self._url()
        wrong = checking.answering(url, self.wanted, self.store)
        if wrong is not None:
            raise Aborted(f"version {self.wanted.version.version} does not answer as it should: {wrong}")
        if not first:
            percent = self.wanted.config.canary.percent
            self.say(f"it answers; it takes {percent}% of the traffic now")
            self._share(percent)
            checking.soak(url, self.wanted, self.still, self.cluster.poll)
        self.notes.check(self.wanted)
        self.say(f"version {self.wanted.version.version} takes all traffic")
        self._share(ALL)
        self.notes.serves(self.wanted)

    def _share(self, percent: int) -> None:
        self.cluster.patch(KIND, self.wanted.name, {"spec": {"predictor": {"canaryTrafficPercent": percent}}})

    def _ready(self) -> None:
        seconds = self.wanted.config.canary.ready_minutes * 60
        if not self.cluster.wait(lambda: is_ready(self._get()), seconds):
            raise Aborted(
                f"the new revision of {self.wanted.name} was not ready within canary.ready_minutes "
                f"({self.wanted.config.canary.ready_minutes:g}); see `kubectl describe inferenceservice {self.wanted.name}`"
            )

    def _url(self) -> str:
        """Of the newest revision: its tag's, else the whole service's where no other revision serves."""
        if self.wanted.config.canary.url is not None:
            return self.wanted.config.canary.url.rstrip("/")
        status = (self._get() or {}).get("status", {})
        traffic = _predictor(status).get("traffic", [])
        tagged = [one["url"] for one in traffic if one.get("latestRevision") and one.get("tag") and one.get("url")]
        url = str((tagged or [_predictor(status).get("url") or status.get("url", "")])[0])
        if not url:
            raise Aborted(
                f"{self.wanted.name} tells no address of its newest revision; set canary.url in the serving config"
            )
        return url.rstrip("/")

    def _standing(self) -> Object | None:
        """Once one that is being deleted is gone."""
        self.cluster.wait(lambda: "deletionTimestamp" not in (self._get() or {}).get("metadata", {}), GOING_SECONDS)
        return self._get()

    def _get(self) -> Object | None:
        return self.cluster.get(KIND, self.wanted.name)


def _predictor(status: Any) -> Any:
    return status.get("components", {}).get("predictor", {})


def is_ready(found: Any) -> bool:
    """KServe has seen the newest spec, and its revision is ready."""
    if found is None:
        return False
    status = found.get("status", {})
    made = _predictor(status).get("latestCreatedRevision")
    seen = status.get("observedGeneration", 0) >= found["metadata"].get("generation", 1)
    return seen and made is not None and _predictor(status).get("latestReadyRevision") == made
