"""What all stages share: their place, their parents, their lease, and being idempotent.

A stage's place is keyed by its schema version, its parents' content digests, its part of the recipe, the seed model and
the round's salt: not by run, host, clock or commit. Complete, it returns at once; started again, it finishes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, TypeVar

from ratchet import canonical, usage
from ratchet.artifacts import Artifact, ArtifactWriter, Header, Manifest, RowSchema, read_manifest
from ratchet.errors import ManifestMissing, RoundError
from ratchet.launching import LauncherConfig
from ratchet.profile import Profile
from ratchet.progress import Progress, for_stage, silent
from ratchet.promptset import PromptSet, find
from ratchet.records import Record
from ratchet.registry import lease as leases
from ratchet.rounds import Round, Ticket, loop_prefix, read_round
from ratchet.settings import Settings
from ratchet.store import Store, open_store

R = TypeVar("R", bound=Record)

STAGES = ("begin", "generate", "verify", "filter", "train", "evaluate", "promote", "finish")


@dataclass(frozen=True)
class Step:
    """One of the six stages between begin and finish: where its code is, whose manifests it reads, which splits, whether it
    works with the models that the recipe names beside the seed, what says which further artifacts it reads, and what removes
    that which a finished stage needs no more."""

    module: str
    version: int
    parents: tuple[str, ...]
    splits: tuple[str, ...] = ()
    models: bool = False
    inputs: str | None = None
    leaves: str | None = None


STEPS: Mapping[str, Step] = {
    "generate": Step("ratchet.generate.stage", 2, (), ("pool", "validation")),
    "verify": Step("ratchet.verify.stage", 2, ("generate",), models=True),
    "filter": Step("ratchet.filter.stage", 2, ("verify",), models=True, inputs="ratchet.filter.inputs"),
    "train": Step(
        "ratchet.train.stage", 2, ("filter",), inputs="ratchet.train.inputs", leaves="ratchet.train.checkpoints.place"
    ),
    "evaluate": Step("ratchet.evaluate.stage", 2, ("train",), ("holdout",), inputs="ratchet.evaluate.inputs"),
    "promote": Step("ratchet.registry.stage", 1, ("evaluate", "train")),
}


@dataclass
class StageContext:
    """All that a stage function gets. `parents` are the manifests of the stages that it reads; `launcher` is where train runs
    its work, which is no part of the key."""

    name: str
    store: Store
    round: Round
    parents: Mapping[str, Manifest]
    key: str
    settings: Settings | None = None
    lease: leases.Lease | None = None
    progress: Progress = silent
    seconds: dict[str, float] = field(default_factory=dict)
    launcher: LauncherConfig = field(default_factory=LauncherConfig)
    meter: usage.Meter | None = None

    @property
    def prefix(self) -> str:
        return f"{self.round.prefix}/{self.name}-{self.key[:12]}"

    @property
    def config(self) -> Any:
        """This stage's part of the recipe."""
        return getattr(self.round.recipe, self.name)

    def prompt_set(self) -> PromptSet:
        return _prompt_set(self.store, self.round.prompts)

    def pool_set(self) -> PromptSet:
        """The set whose pool is learned from: the round's own, or the pictures that its recipe names in its place."""
        return _prompt_set(self.store, self.round.pictures or self.round.prompts)

    def writer(self, schema: RowSchema[R]) -> ArtifactWriter[R]:
        header = Header(
            stage=self.name,
            key=self.key,
            loop=self.round.loop,
            round=self.round.number,
            epoch=self.lease.epoch if self.lease else None,
            parents={name: m.as_parent() for name, m in self.parents.items()},
            seed_model=self.round.seed,
            config=self.config.model_dump(mode="json"),
        )
        return ArtifactWriter(self.store, self.prefix, schema, header)

    def open(self, parent: str, schema: RowSchema[R]) -> Artifact[R]:
        return Artifact.open(self.store, self.parents[parent].uri, schema)

    def check_lease(self) -> None:
        """Raise LeaseLost if this run no longer holds the loop, BudgetSpent if the round may take no more. Called before anything
        that others will see, and now and then by who waits."""
        if self.lease is not None:
            self.lease.check()
        if self.meter is not None:
            self.meter.check()

    @contextmanager
    def clock(self, kind: str) -> Iterator[None]:
        """Add the wall seconds of the block to `seconds[kind]`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - start


def stage_key(
    name: str,
    opened: Round,
    parents: Mapping[str, Manifest],
    splits: Mapping[str, str],
    inputs: Mapping[str, str] | None = None,
) -> str:
    """SHA-256 over everything that the stage's content depends on."""
    step = STEPS[name]
    body = {
        "stage": name,
        "version": step.version,
        "parents": {n: m.content_digest for n, m in sorted(parents.items())},
        "splits": dict(splits),
        "config": getattr(opened.recipe, name).model_dump(mode="json"),
        "seed": opened.seed.digest,
        "salt": opened.salt,
    }
    if step.models and opened.models:
        body["models"] = {source: ref.digest for source, ref in sorted(opened.models.items())}
    if inputs:
        body["inputs"] = dict(inputs)
    return canonical.digest(body)


def context_of(
    name: str,
    store: Store,
    opened: Round,
    parents: Mapping[str, Manifest],
    *,
    settings: Settings | None = None,
    lease: leases.Lease | None = None,
    progress: Progress = silent,
    launcher: LauncherConfig | None = None,
) -> StageContext:
    """Build a stage's context; raises RoundError when a parent is missing."""
    step = STEPS[name]
    missing = [p for p in step.parents if p not in parents]
    if missing:
        raise RoundError(
            f"stage {name} needs the manifests of {', '.join(step.parents)}; missing: {', '.join(missing)}."
        )
    needed = {p: parents[p] for p in step.parents}
    splits = {s: uri for s in _splits(name, opened) if (uri := _part_of(store, opened, s)) is not None}
    digests = {s: read_manifest(store, store.key(uri)).content_digest for s, uri in splits.items()}
    inputs = import_module(step.inputs).digests(store, opened) if step.inputs else {}
    key = stage_key(name, opened, needed, digests, inputs)
    where = launcher or LauncherConfig()
    return StageContext(name, store, opened, needed, key, settings, lease, progress, launcher=where)


def run_step(context: StageContext) -> Manifest:
    """Run a stage function, unless its artifact is complete; then remove what that needs no more, also where a try before was
    killed when it had committed."""
    from ratchet.artifacts.manifest import MANIFEST

    step = STEPS[context.name]
    if context.store.stat(f"{context.prefix}/{MANIFEST}") is not None:
        manifest = read_manifest(context.store, context.prefix)
    else:
        context.check_lease()
        function: Callable[[StageContext], Manifest] = import_module(step.module).run
        manifest = function(context)
    if step.leaves is not None:
        import_module(step.leaves).sweep(context)
    return manifest


def run_ticket(
    name: str,
    ticket: Ticket,
    parents: Mapping[str, str],
    settings: Settings,
    work: Callable[[StageContext], Manifest] = run_step,
    part: str = "",
    launcher: LauncherConfig | None = None,
) -> Manifest:
    """Run a stage as a component does: from a ticket and its parents' URIs, under the loop's lease.

    `work` is what to do of it, where several tasks share a stage; `part` names that share where progress is shown.
    `launcher` is None for that of the profile which the settings name.
    """
    store = open_store(ticket.root)
    opened = read_round(store, ticket.loop, ticket.number)
    manifests = {parent: _open_parent(store, name, parent, uri) for parent, uri in parents.items()}
    lease = lease_of(store, ticket)
    progress = for_stage(name, ticket.number, part)
    # Said before the stage's libraries load, so that whoever watches sees where the time goes.
    progress(0, 1, "", "loading")
    where = launcher or (Profile.load(settings.profile).placed_launcher if name == "train" else None)
    context = context_of(
        name, store, opened, manifests, settings=settings, lease=lease, progress=progress, launcher=where
    )
    beat = leases.beat(lease.seconds)
    with (
        leases.renewing(lease, beat),
        usage.metering(store, opened, name, part, ticket.job, 1.5 * beat) as meter,
    ):
        return work(replace(context, meter=meter, progress=meter.watching(progress)))


def lease_seconds() -> float:
    """How long a lease lasts without renewal: RATCHET_LEASE_SECONDS, which a profile's `lease` becomes on a cluster; default 60."""
    return float(os.environ.get("RATCHET_LEASE_SECONDS", "60"))


def lease_of(store: Store, ticket: Ticket) -> leases.Lease:
    """The lease that begin took for this ticket's run."""
    return leases.Lease(store.sub(loop_prefix(ticket.loop)), ticket.job, ticket.epoch, lease_seconds())


def _open_parent(store: Store, name: str, parent: str, uri: str) -> Manifest:
    try:
        return read_manifest(store, store.key(uri))
    except ManifestMissing as error:
        raise ManifestMissing(f"stage {name} cannot start: its parent {parent} has no manifest. {error}") from error


def _splits(name: str, opened: Round) -> tuple[str, ...]:
    """The splits that a stage reads in this round: verify reads validation only to audit its verifiers, train only to choose
    among its checkpoints, evaluate only to report weaknesses."""
    recipe = opened.recipe
    audits = name == "verify" and recipe.verify.audit is not None
    chooses = name == "train" and recipe.train.checkpoints.best == "validation"
    reports = name == "evaluate" and recipe.evaluate.weakness
    return (*STEPS[name].splits, "validation") if audits or chooses or reports else STEPS[name].splits


def _part_of(store: Store, opened: Round, split: str) -> str | None:
    """Where a split lies that a stage reads; None where the set has none, which the stage may do without."""
    digest = opened.pictures if split == "pool" and opened.pictures else opened.prompts
    return _prompt_set(store, digest).parts.get(split)


def _prompt_set(store: Store, digest: str) -> PromptSet:
    found = find(store, digest)
    if found is None:
        raise RoundError(
            f"the round's prompt set {digest[:12]} is not complete under {store.root}; `ratchet resume` runs begin again, which finishes it."
        )
    return found
