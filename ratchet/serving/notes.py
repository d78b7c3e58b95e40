"""What is remembered of a served model: what serves, and what was aborted and why.

Of a Deployment in its annotations. Of an InferenceService in a ConfigMap beside it: KServe copies its annotations into the template
of its pods, so that every note would be another revision, whose pods have to start before it serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ratchet.serving.cluster import Cluster
from ratchet.serving.manifest import DOMAIN, SPEC, Object, Wanted, labels, note_object
from ratchet.serving.outcome import Aborted

SERVED, SERVED_VERSION = "served-spec", "served-version"
ABORTED, ABORTED_VERSION = "aborted-spec", "aborted-version"
ABORTED_WHY, ABORTED_BY = "aborted-why", "aborted-by"
OF_ABORT = (ABORTED, ABORTED_VERSION, ABORTED_WHY, ABORTED_BY)
KEYS = (SERVED, SERVED_VERSION, *OF_ABORT)


@dataclass(frozen=True)
class Notes:
    """Of the object `name`."""

    cluster: Cluster
    kind: str
    name: str

    def read(self) -> dict[str, str]:
        if self.kind == "Deployment":
            noted = annotations_of(self.cluster.get(self.kind, self.name))
            return {key: noted[f"{DOMAIN}/{key}"] for key in KEYS if f"{DOMAIN}/{key}" in noted}
        found = self.cluster.get("ConfigMap", note_object(self.name))
        return dict((found or {}).get("data") or {})

    def serves(self, wanted: Wanted) -> None:
        """It has all traffic, and nothing is aborted any more."""
        gone = dict.fromkeys(OF_ABORT)
        self._write(wanted, {**gone, SERVED: wanted.spec, SERVED_VERSION: wanted.version.version})

    def forget(self, wanted: Wanted) -> None:
        """What served was deleted by somebody."""
        self._write(wanted, dict.fromkeys((SERVED, SERVED_VERSION)))

    def aborted(self, wanted: Wanted, aborted: Aborted) -> None:
        """Nothing where it would not be the same again. What a person has said of it stands: a roll that the person ended under
        its feet only sees that its pods are gone."""
        if aborted.final and (aborted.by is not None or self.ended(wanted) is None):
            why = {ABORTED_WHY: str(aborted)[:1000], ABORTED_BY: aborted.by}
            self._write(wanted, {ABORTED: wanted.spec, ABORTED_VERSION: wanted.version.version, **why})

    def ended(self, wanted: Wanted) -> Aborted | None:
        """What a person said who ended the roll of this version, with who."""
        noted = self.read()
        by = noted.get(ABORTED_BY)
        return Aborted(noted.get(ABORTED_WHY, ""), by=by) if by and noted.get(ABORTED) == wanted.spec else None

    def check(self, wanted: Wanted) -> None:
        """Raises Aborted where a person has ended the roll meanwhile."""
        ended = self.ended(wanted)
        if ended is not None:
            raise ended

    def again(self, wanted: Wanted) -> None:
        """It is tried again, whatever was said."""
        self._write(wanted, dict.fromkeys(OF_ABORT))

    def _write(self, wanted: Wanted, notes: Mapping[str, str | None]) -> None:
        if self.kind == "Deployment":
            change = {"metadata": {"annotations": {f"{DOMAIN}/{key}": value for key, value in notes.items()}}}
            self.cluster.patch(self.kind, self.name, change)
            return
        name = note_object(self.name)
        head = {"name": name, "labels": labels(wanted)}
        self.cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": head, "data": {}})
        self.cluster.patch("ConfigMap", name, {"data": dict(notes)})


def annotations_of(found: Object | None) -> dict[str, str]:
    return dict((found or {}).get("metadata", {}).get("annotations", {}))


def spec_of(found: Object | None) -> str | None:
    """What its pods were asked to be."""
    return annotations_of(found).get(SPEC)
