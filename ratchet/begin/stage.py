"""begin: one immutable seed version, one round, one lease, before anything is computed.

A round that was left unfinished is REOPENED when seed and recipe are the same; otherwise it is closed as FAILED and a new
one is opened with a salt of its own. Everything is written so that a begin that was killed can simply run again.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass

import ratchet
from ratchet import canonical, models, recipe, rounds, sources
from ratchet.artifacts.manifest import ModelRef
from ratchet.autonomy import autonomy_of
from ratchet.begin import prompts
from ratchet.begin.limits import budget_of, check_affordable, say_kept
from ratchet.errors import LeaseHeld, ModelError, RoundError, StoreError
from ratchet.evaluate.inputs import pin_suites
from ratchet.filter.inputs import evaluation_sets
from ratchet.finish.closing import close_dead, promotion_of
from ratchet.operations import stopping
from ratchet.operations.ownership import check_owner
from ratchet.preflight.beginning import before_round
from ratchet.profile import Profile
from ratchet.progress import for_stage
from ratchet.provenance import code_revision
from ratchet.registry import Registry, approval, lease, open_registry, tracking
from ratchet.registry.base import CHAMPION, ModelVersion
from ratchet.registry.promotion import history, mend, record_foreign_moves
from ratchet.rounds import Round, Ticket
from ratchet.rounds.refusals import keeping_refusal
from ratchet.settings import Settings
from ratchet.stage import lease_seconds
from ratchet.store import Store, open_store
from ratchet.train.checkpoints import sweep_round
from ratchet.usage import devices_of

CLOSED = "closed by the next begin: its seed or recipe is not the one asked for now"


@dataclass(frozen=True)
class BeginOptions:
    """What a run asks for. `seed` is the alias or a version number; `resume` reopens the last round if it FAILED; `budget` are hours
    of a device that the round may take, 0 for what the loop's policy says; `origin` is who started it: person, schedule or trigger."""

    loop: str
    recipe: str
    seed: str = CHAMPION
    profile: str | None = None
    body_version: str | None = None
    resume: bool = False
    control: str | None = None
    salt: str | None = None
    budget: float = 0.0
    origin: str = "person"


def begin(job: str, options: BeginOptions, settings: Settings) -> Ticket:
    """Open or reopen the loop's round for run `job` and return its ticket.

    Raises RecipeError for a recipe that is invalid or needs more than the profile has, RoundError when the loop has no
    champion or the compiled pipeline is of another version, LeaseHeld while another run works on the loop, PreflightFailed when
    something else that the round needs is not there.
    """
    with keeping_refusal(settings.root, options.loop, job):
        return _checked(job, options, settings)


def _checked(job: str, options: BeginOptions, settings: Settings) -> Ticket:
    """What needs no lease, then the rest under it."""
    _check_versions(options.body_version)
    wanted = recipe.load(options.recipe)
    profile = Profile.load(options.profile)
    profile.check(wanted)
    store = open_store(settings.root)
    if options.control is None:
        check_owner(store, options.loop, options.origin)
        stopping.refuse(store, options.loop)
    before_round(settings, options.loop, options.seed, wanted, profile, options.body_version)
    held = take_lease(store, options.loop, job)
    try:
        with lease.renewing(held, lease.beat(held.seconds)):
            return _begin(job, options, settings, wanted, held)
    except Exception:
        # Nothing works on the loop now. The same run may begin again and takes the lease back.
        with suppress(StoreError):
            held.release()
        raise


def _begin(job: str, options: BeginOptions, settings: Settings, wanted: recipe.Recipe, held: lease.Lease) -> Ticket:
    """The part of `begin` that holds the lease."""
    store = open_store(settings.root)
    if options.control is None:
        # Again: the checks before took minutes, and the round that ended meanwhile may have stopped the loop.
        stopping.refuse(store, options.loop)
    registry = open_registry(settings, store)
    mend(registry, store, options.loop)
    record_foreign_moves(registry, store, options.loop)
    if options.control is None:
        approval.settle(registry, store, options.loop)
    seed = as_ref(_seed_version(registry, options))
    number = _open(store, registry, options, wanted, seed, job)
    ticket = Ticket(root=settings.root, loop=options.loop, number=number, job=job, epoch=held.epoch)
    rounds.write_run(store, ticket)
    held.check()
    opened = rounds.read_round(store, options.loop, number)
    say_kept(opened, options.budget)
    tracking.open_round(registry, store, opened, job)
    with rounds.keeping_failure(ticket, "begin"):
        prompts.draw(store, opened, for_stage("begin", number))
    return ticket


def take_lease(store: Store, loop: str, job: str) -> lease.Lease:
    """Take the loop's lease for a run, waiting for it RATCHET_LEASE_WAIT seconds (default 0). Raises LeaseHeld."""
    patience = time.monotonic() + float(os.environ.get("RATCHET_LEASE_WAIT", "0"))
    place = store.sub(rounds.loop_prefix(loop))
    while True:
        try:
            return lease.acquire(place, job, lease_seconds(), holder_ended=lambda run: _has_ended(store, loop, run))
        except LeaseHeld:
            if time.monotonic() > patience:
                raise
            time.sleep(1.0)


def as_ref(version: ModelVersion) -> ModelRef:
    """The version as a seed. Raises RoundError for one that was registered without ratchet: its bytes are not pinned."""
    if not version.digest:
        raise RoundError(
            f"{version.name} version {version.version} was registered without ratchet, so nothing says what its bytes must be. "
            f"Register it with `ratchet init --loop NAME --seed models:/{version.name}/{version.version}`."
        )
    return ModelRef(name=version.name, version=version.version, uri=version.uri, digest=version.digest)


def _check_versions(body: str | None) -> None:
    """The component's body is inlined in the compiled pipeline, the package comes with the image: they must agree."""
    if body is not None and body != ratchet.__version__:
        raise RoundError(
            f"the pipeline was compiled by ratchet {body}, the image holds ratchet {ratchet.__version__}. "
            "Compile the pipeline again with the image's version, or set the profile's images to the pipeline's version."
        )


def _seed_version(registry: Registry, options: BeginOptions) -> ModelVersion:
    if options.seed != CHAMPION:
        return registry.version(options.loop, options.seed)
    champion = registry.champion(options.loop)
    if champion is None:
        raise RoundError(no_champion(options.loop))
    return champion


def no_champion(loop: str) -> str:
    return (
        f"loop {loop} has no champion to start from. Register the first one: `ratchet init --loop {loop} --seed MODEL` "
        "(a folder, s3://..., models:/name@alias, hf://repo@revision, or tinyworld)."
    )


def _has_ended(store: Store, loop: str, job: str) -> bool:
    ticket = rounds.read_run(store, loop, job)
    return ticket is not None and rounds.read_end(store, loop, ticket.number) is not None


def pin(store: Store, registry: Registry, wanted: recipe.Recipe) -> dict[str, ModelRef]:
    """The models that the recipe names beside the seed, copied to the store: an alias or a branch may move, these do not."""
    found = {}
    for source in wanted.sources():
        try:
            folder, _ = sources.fetch_model(source, store, registry)
        except ModelError as error:
            raise ModelError(f"recipe {wanted.name} works with the model {source!r}: {error}") from error
        found[source] = models.upload(store, folder, "beside")
    return found


def base_of(store: Store, registry: Registry, loop: str) -> ModelRef:
    """The loop's first champion, whatever its alias points at now. Raises RoundError where nothing pins its bytes."""
    first = next((m.intent.target for m in history(store, loop) if m.moved and m.intent.target is not None), None)
    if first is None:
        raise RoundError(no_champion(loop))
    return as_ref(registry.version(loop, first))


def _open(
    store: Store, registry: Registry, options: BeginOptions, wanted: recipe.Recipe, seed: ModelRef, job: str
) -> int:
    """Number of the round to work on: the unfinished one if it fits, else a new one."""
    known = rounds.numbers(store, options.loop)
    for number in known:
        end = rounds.read_end(store, options.loop, number)
        last = number == known[-1]
        if end is not None and not (options.resume and last and end.state == "FAILED"):
            continue
        unfinished = rounds.read_round(store, options.loop, number)
        promoted = promotion_of(store, options.loop, number)
        # A round whose own promotion moved the alias is still the same round, though the champion is not its seed now.
        fits = unfinished.seed == seed or promoted is not None
        # It keeps the models that it pinned, wherever their aliases point by now.
        if last and fits and unfinished.recipe.digest == wanted.digest:
            rounds.reopen(store, options.loop, number)
            return number
        if end is None:
            sweep_round(store, unfinished.prefix)
            closed = close_dead(store, options.loop, number, CLOSED)
            tracking.end_round(registry, store, options.loop, number, closed)
    number = known[-1] + 1 if known else 1
    # A set that is not there is told now, not when the filter comes to it.
    evaluation_sets(store, wanted.filter.decontaminate_against)
    if known:
        tracking.mend(registry, store, options.loop, known[-1])
        # Also one that failed: with a round after it, it is not taken up again.
        sweep_round(store, rounds.round_prefix(options.loop, known[-1]))
    rounds.write_round(store, _new_round(store, registry, options, wanted, seed, job, number))
    return number


def _new_round(
    store: Store,
    registry: Registry,
    options: BeginOptions,
    wanted: recipe.Recipe,
    seed: ModelRef,
    job: str,
    number: int,
) -> Round:
    profile, budget = Profile.load(options.profile), budget_of(store, options.loop, options.budget)
    check_affordable(store, options.loop, wanted, profile, budget)
    salt = options.salt or _salt(options.loop, number, wanted.seed)
    plan = prompts.plan(store, wanted.prompts, options.loop, salt)
    return Round(
        loop=options.loop,
        number=number,
        salt=salt,
        job=job,
        seed=seed,
        recipe=wanted,
        control=options.control,
        autonomy=autonomy_of(wanted, prompts.described(store, plan)),
        code_revision=code_revision(),
        prompts=plan.prompts,
        report=plan.report,
        pictures=plan.pictures,
        family=plan.family,
        models=pin(store, registry, wanted),
        base=base_of(store, registry, options.loop) if wanted.train.start == "base" else None,
        suites=pin_suites(store, wanted, salt),
        budget=budget,
        devices=devices_of(profile),
    )


def _salt(loop: str, number: int, seed: int | None) -> str:
    """Random, or repeatable for a recipe with a seed; never the same for two rounds of a loop."""
    if seed is None:
        return secrets.token_hex(16)
    return canonical.digest(["salt", seed, loop, number])[:32]
