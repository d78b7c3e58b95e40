"""Operations on a loop: open it, run a round in this process, run one stage, cancel a round.

kfp.local and a cluster run the same stage functions from `ratchet.stage`; running them here in one process is what tests
and benchmarks do, and what the single-stage commands use.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ratchet import models, rounds, seeds, sources
from ratchet import recipe as recipes
from ratchet.artifacts import Manifest
from ratchet.begin import BeginOptions, begin
from ratchet.begin.stage import no_champion, take_lease
from ratchet.errors import AuditFailed, RoundError, RoundStopped, StoreError
from ratchet.finish import finish
from ratchet.profile import Profile
from ratchet.provenance import code_revision
from ratchet.registry import lease as leases
from ratchet.registry import open_registry, tracking
from ratchet.registry.base import ROUND, Lineage, ModelVersion
from ratchet.registry.promotion import promote
from ratchet.rounds import RoundEnd, Ticket
from ratchet.settings import Settings
from ratchet.stage import STEPS, StageContext, run_step, run_ticket
from ratchet.status import said_so_far
from ratchet.store import open_store
from ratchet.usage import with_hours

Watch = Callable[[str], None]


def new_job() -> str:
    """Name for a run that KFP does not name."""
    return f"run-{os.getpid()}-{secrets.token_hex(4)}"


def init_loop(
    settings: Settings, loop: str, seed: str, *, base: str | None = None, template: Path | None = None
) -> ModelVersion:
    """Register the loop's first champion from a folder, s3://, models:/, hf:// or "tinyworld".

    `base` is the model that an adapter lies on, from the same kinds of places; `template` a file with the chat template that
    is stored with the model.

    Run again with the same model it changes nothing; a loop that has a champion already keeps it.
    """
    rounds.check_loop_name(loop)
    store = open_store(settings.root)
    registry = open_registry(settings, store)
    known = registry.champion(loop)
    if known is not None:
        return known
    sources.check_client(seed, base)
    folder, description = sources.fetch_model(seed, store, registry)
    below = sources.fetch_model(base, store, registry)[0] if base is not None else None
    folder = seeds.ready(Path(folder), store, loop, base=below, template=template)
    return _register_first(settings, loop, Path(folder), description)


def _register_first(settings: Settings, loop: str, folder: Path, description: str) -> ModelVersion:
    store = open_store(settings.root)
    registry = open_registry(settings, store)
    ref = models.upload(store, folder, loop)
    tags = {
        ROUND: "0",
        "ratchet.source": description,
        "ratchet.loop": loop,
        "ratchet.code_revision": code_revision(),
    }
    version = registry.register(loop, ref.uri, ref.digest, Lineage(tags=tags))
    reason = f"the loop's first champion, from {description}"
    promote(registry, store, loop, version.version, expected=None, key="seed", by="init", reason=reason, kind="seed")
    return version


def run_in_process(
    settings: Settings, options: BeginOptions, job: str | None = None, watch: Watch | None = None
) -> RoundEnd:
    """One whole round in this process: begin, the six steps, finish. Errors of a stage are raised after finish."""
    job = job or new_job()
    ticket = begin(job, options, settings)
    uris: dict[str, str] = {}
    try:
        for name, step in STEPS.items():
            if watch is not None:
                watch(name)
            uris[name] = _run(name, ticket, {p: uris[p] for p in step.parents}, settings).uri
    finally:
        end = finish(job, options.loop, settings)
    return end


def collect(
    settings: Settings, loop: str, recipe: str | None = None, shard: int | None = None, job: str | None = None
) -> Manifest:
    """Run generate of the loop's open round, or of a round opened (or reopened) with `recipe`; all of it, or one shard.

    One shard keeps the lease until it runs out, since others may be made side by side. Raises RecipeError for a shard that
    the recipe does not have.
    """
    if recipe is not None:
        job = begin(job or new_job(), BeginOptions(loop=loop, recipe=recipe), settings).job
    if shard is None:
        return run_stage(settings, loop, "generate", job)
    from ratchet.generate.stage import run_shard

    return run_stage(
        settings, loop, "generate", job, lambda context: run_shard(context, shard), f"shard {shard}", keep=True
    )


def run_stage(
    settings: Settings,
    loop: str,
    name: str,
    job: str | None = None,
    work: Callable[[StageContext], Manifest] = run_step,
    part: str = "",
    keep: bool = False,
) -> Manifest:
    """Run one stage of a run (default: the loop's last), from what its parents have left in the store.

    Takes the loop's lease for that run again if it was released, so a round that FAILED at one stage can be completed, and
    lets it go at the end, however that comes, unless it is to `keep` it: nobody works on the loop then. Where an alarm or an
    audit stops the round on purpose, it ends as STOPPED.
    """
    store = open_store(settings.root)
    ticket = ticket_of(settings, loop, job)
    lease = take_lease(store, loop, ticket.job)
    if lease.epoch != ticket.epoch:
        ticket = ticket.model_copy(update={"epoch": lease.epoch})
        # finish reads the ticket, and must know the run for the loop's holder again.
        rounds.write_run(store, ticket)
    try:
        return _stage(settings, ticket, name, work, part)
    except (RoundStopped, AuditFailed):
        # Nothing goes on with it: the round has ended.
        finish(ticket.job, loop, settings)
        raise
    finally:
        if not keep:
            with suppress(StoreError):
                lease.release()


def _stage(
    settings: Settings, ticket: Ticket, name: str, work: Callable[[StageContext], Manifest], part: str
) -> Manifest:
    store, loop = open_store(settings.root), ticket.loop
    done = rounds.manifests(store, loop, ticket.number)
    missing = [p for p in STEPS[name].parents if p not in done]
    if missing:
        raise RoundError(
            f"round {ticket.number} of loop {loop} has no {missing[0]} yet; run `ratchet {missing[0]} --loop {loop}` first."
        )
    return _run(name, ticket, {p: done[p].uri for p in STEPS[name].parents}, settings, work, part)


def check_ready(settings: Settings, loop: str, recipe: str, profile: str | None) -> None:
    """Fail before anything starts: a bad recipe, a profile that does not fit, a loop without champion."""
    wanted = recipes.load(recipe)
    Profile.load(profile).check(wanted)
    store = open_store(settings.root)
    if open_registry(settings, store).champion(rounds.check_loop_name(loop)) is None:
        raise RoundError(no_champion(loop))


def recipe_of_last(settings: Settings, loop: str) -> str:
    """The resolved recipe of the loop's last round, as YAML."""
    store = open_store(settings.root)
    known = rounds.numbers(store, loop)
    if not known:
        raise RoundError(f"loop {loop} has no round to resume; `ratchet run --loop {loop} --recipe NAME` runs one.")
    return recipes.dump(rounds.read_round(store, loop, known[-1]).recipe)


def cancel(settings: Settings, loop: str, why: str) -> RoundEnd:
    """End the loop's running round as FAILED and fence its run off: what it still writes is refused."""
    store = open_store(settings.root)
    known = rounds.numbers(store, loop)
    if not known or rounds.read_end(store, loop, known[-1]) is not None:
        raise RoundError(f"loop {loop} has no running round; `ratchet status --loop {loop}` shows its rounds.")
    failed = said_so_far(store, rounds.read_round(store, loop, known[-1]))
    reason = f"cancelled: {why}" + (f" ({failed})" if failed else "")
    said = RoundEnd(state="FAILED", reason=reason, job=tracking.CANCELLED)
    end = rounds.write_end(store, loop, known[-1], with_hours(store, loop, known[-1], said))
    # With the end written its holder counts as ended, so the lease can be taken: the next epoch fences the old run off.
    take_lease(store, loop, f"cancel-{secrets.token_hex(4)}").release()
    tracking.end_round(open_registry(settings, store), store, loop, known[-1], end)
    return end


def ticket_of(settings: Settings, loop: str, job: str | None) -> Ticket:
    """The ticket of a run; None means the run that holds, or last held, the loop. Raises RoundError."""
    store = open_store(settings.root)
    if job is None:
        state = leases.read(store.sub(rounds.loop_prefix(loop)))
        known = rounds.numbers(store, loop)
        if state is None or not known:
            raise RoundError(
                f"loop {loop} has no round yet; `ratchet run --loop {loop} --recipe NAME` runs one, "
                f"`ratchet generate --loop {loop} --recipe NAME` opens one and collects its data."
            )
        job = (
            state.holder
            if rounds.read_run(store, loop, state.holder)
            else rounds.read_round(store, loop, known[-1]).job
        )
    ticket = rounds.read_run(store, loop, job)
    if ticket is None:
        raise RoundError(f"loop {loop} has no run {job!r}; `ratchet status --loop {loop}` lists its rounds.")
    return ticket


def _run(
    name: str,
    ticket: Ticket,
    parents: dict[str, str],
    settings: Settings,
    work: Callable[[StageContext], Manifest] = run_step,
    part: str = "",
) -> Manifest:
    with rounds.keeping_failure(ticket, name, part):
        return run_ticket(name, ticket, parents, settings, work, part)
