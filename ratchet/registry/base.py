"""What ratchet needs of a model registry: versions that never change, one alias, tags and metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from ratchet.records import Record
from ratchet.settings import STORE_REGISTRY, Settings
from ratchet.store import Store

CHAMPION = "champion"
SCRATCH_MODELS = "ratchet-preflight-"
"""Registered models whose name begins so come and go with `ratchet preflight`: no loop's."""

# Tags of a version, and so the columns of a registry's table.
DIGEST = "ratchet.digest"
LOOP = "ratchet.loop"
ROUND = "ratchet.round"
DECISION = "ratchet.decision"
REASON = "ratchet.reason"
PROMOTION = "ratchet.promotion"
PROMOTED_AT = "ratchet.promoted_at"
PROMOTED_FROM = "ratchet.promoted_from"


class ModelVersion(Record):
    """One registered model. `uri` and `digest` never change; digest is "" for what was registered without ratchet."""

    name: str
    version: str
    uri: str
    digest: str
    tags: dict[str, str] = {}
    created: datetime


class Lineage(Record):
    """What goes with a version when it is registered. Data sets are (name, URI, digest); `run` is the round's, if it has one."""

    tags: dict[str, str] = {}
    params: dict[str, str] = {}
    metrics: dict[str, float] = {}
    datasets: tuple[tuple[str, str, str], ...] = ()
    run: str | None = None


RunState = Literal["FINISHED", "FAILED", "KILLED"]
"""How a run ended: its work is done, it broke, or it was stopped on purpose."""


class TrackedRun(Record):
    """A run that the registry says is running; `round` is None for one that belongs to no round."""

    run: str
    round: int | None
    started: datetime


Curve = Sequence[tuple[int, float]]
"""Points (step, value), steps rising."""


class Registry(Protocol):
    """Versions by name, and which one is champion.

    Every method raises RegistryUnavailable when the registry did not answer after all retries, RegistryError when it
    refused. Registering is idempotent; moving the alias is not atomic everywhere, which the promotion log makes up for.
    """

    @property
    def uri(self) -> str:
        """Where the registry is, for messages."""
        ...

    def champion(self, name: str) -> ModelVersion | None:
        """The version that the alias `champion` points at; None where there is no alias or no such model."""
        ...

    def version(self, name: str, version: str) -> ModelVersion:
        """One version. Raises RegistryError when there is none."""
        ...

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions, the oldest first; none for an unknown name."""
        ...

    def register(self, name: str, uri: str, digest: str, lineage: Lineage | None = None) -> ModelVersion:
        """Add a version for the model at `uri`, whose bytes are there already.

        The same digest with the same round tag is the same version: a retried call adds nothing.
        """
        ...

    def set_champion(self, name: str, version: str, *, expected: str | None) -> bool:
        """Move the alias from `expected` to `version`; False, and nothing moved, when it points elsewhere by now."""
        ...

    def set_tags(self, name: str, version: str, tags: Mapping[str, str]) -> None: ...

    def log_metrics(self, name: str, version: str, metrics: Mapping[str, float]) -> None: ...

    def log_curves(self, name: str, version: str, curves: Mapping[str, Curve]) -> None:
        """Log how a version's training went, step by step; logged again, nothing changes."""
        ...

    def keep_page(self, name: str, version: str, file: str, page: str) -> None:
        """Keep an HTML page with a version, by the name of its file; kept again, the newer one stands."""
        ...

    def describe(self, name: str, version: str, card: str) -> None:
        """Keep a version's model card with it, in place of an older one: Markdown, with a YAML head."""
        ...

    def given_run(self) -> str | None:
        """The run that the platform gives this process, of whatever round; None where it gives none."""
        ...

    def open_run(self, name: str, tags: Mapping[str, str]) -> str:
        """Id of the run of the round that the tags `LOOP` and `ROUND` name, which is running then; made only once."""
        ...

    def log_run(self, run: str, metrics: Mapping[str, float]) -> None: ...

    def end_run(self, run: str, state: RunState, tags: Mapping[str, str]) -> None:
        """End a run and add tags to it. An ended one may be ended again: the last word stands."""
        ...

    def running(self, name: str) -> list[TrackedRun]:
        """The runs of rounds of `name` that have not ended, the oldest first."""
        ...


def find_registered(versions: Iterable[ModelVersion], digest: str, tags: Mapping[str, str]) -> ModelVersion | None:
    """The oldest version with this digest and this round: the one that a repeated registration means."""
    same = (v for v in versions if v.digest == digest and v.tags.get(ROUND) == tags.get(ROUND))
    return min(same, key=lambda v: int(v.version), default=None)


def open_registry(settings: Settings, store: Store) -> Registry:
    """The registry that the settings name: JSON objects in the store, or an MLflow server. Nothing is contacted yet."""
    if settings.registry == STORE_REGISTRY:
        from ratchet.registry.store_registry import StoreRegistry

        return StoreRegistry(store)
    from ratchet.registry.mlflow_registry import MlflowRegistry

    return MlflowRegistry(settings.registry)
