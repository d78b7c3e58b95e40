"""Rolling an InferenceService: KServe keeps the revision that served, and Knative shares the traffic.

nothing there              make it, ask it
another revision serves    a new revision without traffic, asked at its tag's address; canary.percent of the traffic for a
                           while; then all
the new one is no good     its share is 0, and why is noted
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ratchet.serving import checking
from ratchet.serving.cluster import Cluster
from ratchet.serving.manifest import (
    ABORTED,
    ABORTED_WHY,
    SERVED,
    SERVED_VERSION,
    SPEC,
    Object,
    Wanted,
    inference_service,
)
from ratchet.serving.outcome import Aborted, Said, State
from ratchet.store import Store

KIND = "InferenceService"
ALL = 100


class Shared:
    """One roll. `still` says whether the version is champion yet."""

    def __init__(self, cluster: Cluster, store: Store, wanted: Wanted, say: Said, still: Callable[[], bool]) -> None:
        self.cluster, self.store, self.wanted, self.say, self.still = cluster, store, wanted, say, still

    def roll(self) -> State:
        """Raises Aborted, after all traffic is the old revision's again."""
        found = self._get()
        if found is None:
            self.say(f"deploying version {self.wanted.version.version} as {self.wanted.name}: nothing served before")
            self.cluster.create(inference_service(self.wanted))
            self._try(first=True)
            return "served"
        noted = found["metadata"]["annotations"]
        if noted.get(SERVED) == self.wanted.spec:
            return "unchanged"
        first = SERVED not in noted
        try:
            if noted.get(SPEC) != self.wanted.spec:
                self.say(f"trying version {self.wanted.version.version} as a revision without traffic")
                new = inference_service(self.wanted, None if first else 0)
                change = {"metadata": {"annotations": new["metadata"]["annotations"]}, "spec": new["spec"]}
                self.cluster.patch(KIND, self.wanted.name, change)
            self._try(first=first)
        except Aborted as aborted:
            if not first:
                self.back(aborted)
            raise
        return "served"

    def back(self, aborted: Aborted) -> None:
        """All traffic to the revision that served before."""
        note = {ABORTED: self.wanted.spec, ABORTED_WHY: str(aborted)[:1000]} if aborted.final else {}
        self._share(0, note)

    def _try(self, *, first: bool) -> None:
        self._ready()
        url = self._url()
        wrong = checking.answering(url, self.wanted, self.store)
        if wrong is not None:
            raise Aborted(f"version {self.wanted.version.version} does not answer as it should: {wrong}")
        if not first:
            percent = self.wanted.config.canary.percent
            self.say(f"it answers; it takes {percent}% of the traffic now")
            self._share(percent, {})
            self._soak(url)
        self.say(f"version {self.wanted.version.version} takes all traffic")
        note = {SERVED: self.wanted.spec, SERVED_VERSION: self.wanted.version.version, ABORTED: None, ABORTED_WHY: None}
        self._share(ALL, note)

    def _share(self, percent: int, note: Mapping[str, str | None]) -> None:
        change = {"metadata": {"annotations": dict(note)}, "spec": {"predictor": {"canaryTrafficPercent": percent}}}
        self.cluster.patch(KIND, self.wanted.name, change)

    def _ready(self) -> None:
        seconds = self.wanted.config.canary.ready_minutes * 60
        if not self.cluster.wait(lambda: is_ready(self._get()), seconds):
            raise Aborted(
                f"the new revision of {self.wanted.name} was not ready within canary.ready_minutes "
                f"({self.wanted.config.canary.ready_minutes:g}); see `kubectl describe inferenceservice {self.wanted.name}`"
            )

    def _soak(self, url: str) -> None:
        end = time.monotonic() + self.wanted.config.canary.soak_seconds
        while True:
            wrong = checking.healthy(url)
            if wrong is not None:
                raise Aborted(f"version {self.wanted.version.version} stopped answering under traffic: {wrong}")
            if not self.still():
                raise Aborted("the champion has moved meanwhile", final=False)
            if time.monotonic() > end:
                return
            time.sleep(min(self.cluster.poll, max(end - time.monotonic(), 0)))

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
