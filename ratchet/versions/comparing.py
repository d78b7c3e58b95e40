"""Compare two versions: resolve them, find or make outcomes on the same items, and pair them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ratchet.artifacts import Artifact, ImageBank
from ratchet.errors import RoundError
from ratchet.evaluate.outcomes import Outcome
from ratchet.promptset import open_part
from ratchet.records import Prompt
from ratchet.registry import open_registry
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from ratchet.versions import measuring
from ratchet.versions.measuring import Watch
from ratchet.versions.naming import Named, named
from ratchet.versions.result import Comparison, Flip, counted, lines_of
from ratchet.versions.stored import Read, pair_of, reads, why_not

On = Literal["auto", "stored", "validation", "holdout", "report"]
PICTURES = 24
"""Flips of each kind that are shown with their pictures."""
EMBEDDED = ("image/png", "image/jpeg", "image/gif", "image/webp")


@dataclass(frozen=True)
class Wanted:
    """What is compared with what (see `naming.named`), and on what.

    auto: what rounds have stored on the same items, else validation, measured now. holdout needs `spend_look`.
    """

    a: str
    b: str
    loop: str | None = None
    on: On = "auto"
    spend_look: bool = False


def silent(said: str) -> None:
    """Watch nothing."""


def compare(settings: Settings, wanted: Wanted, watch: Watch = silent) -> Comparison:
    """Both versions on the same items, b beside a.

    Raises RoundError for the report split, for a holdout without leave to spend a look, and where stored outcomes are asked for
    that are not of the same items.
    """
    _check(wanted)
    store = open_store(settings.root)
    registry = open_registry(settings, store)
    a, b = (named(given, store, registry, wanted.loop) for given in (wanted.a, wanted.b))
    why = ""
    if wanted.on in ("auto", "stored"):
        loops = [loop for loop in (wanted.loop, a.loop, b.loop) if loop is not None]
        ours, theirs = (reads(store, loops, one.digest) for one in (a, b))
        pair = pair_of(ours, theirs)
        if pair is not None:
            return _from_stored(store, a, b, pair)
        why = why_not(ours, theirs, (a.label, b.label))
        if wanted.on == "stored":
            raise RoundError(f"stored outcomes cannot be compared: {why}. Measure both now with --on validation.")
    return _now(store, a, b, wanted, why, watch)


def _check(wanted: Wanted) -> None:
    if wanted.on == "report":
        raise RoundError(
            "the report split is read once, at the end, by no decision: a comparison would make choices by it. `ratchet report` publishes "
            "it; compare with --on validation."
        )
    if wanted.on == "holdout" and not wanted.spend_look:
        raise RoundError(
            "measuring on the holdout is a look at it, which the gate must count: its next tests become stricter. Add --spend-look to "
            "do so, or compare with --on validation."
        )


def _from_stored(store: Store, a: Named, b: Named, pair: tuple[Read, Read]) -> Comparison:
    """From the rounds' evaluations. Suites whose files or judge differ are left out, and said to be."""
    x, y = pair
    before, after = x.outcomes(store), y.outcomes(store)
    names = sorted({o.suite for o in (*before, *after) if o.suite is not None})
    odd = [name for name in names if x.suite(name) != y.suite(name) or x.suite(name) is None]
    notes = [
        f"Suite {name} is left out: its items or its judge are not the same for both ({x.suite(name)} and {y.suite(name)})."
        for name in odd
    ]
    kept = [[o for o in some if o.suite not in odd] for some in (before, after)]
    part = open_part(store, x.prompts, "holdout")
    told = f"round {x.number}" if x.evaluated.uri == y.evaluated.uri else f"rounds {x.number} and {y.number}"
    where = f"on the holdout of {told} of loop {x.loop}, as stored: nothing was asked, and no look is spent"
    return _compared(store, a, b, kept[0], kept[1], part, "holdout", where, notes, stored=True)


def _now(store: Store, a: Named, b: Named, wanted: Wanted, why: str, watch: Watch) -> Comparison:
    opened = measuring.last_round(store, wanted.loop or a.loop or b.loop)
    split = "holdout" if wanted.on == "holdout" else "validation"
    prompts, part = measuring.part_of(store, opened, split)
    notes = [f"Measured now, for {why}."] if why else []
    if split == "holdout":
        look = measuring.spend_look(store, opened, part, a, b)
        notes.append(f"This is look {look} at this family of holdouts; the gate counts it.")
    outcomes = []
    for one in (a, b):
        watch(f"{one.label} on {part.manifest.rows:,} {split} prompts")
        outcomes.append(measuring.measured(store, opened, part, one))
    where = (
        f"on the {split} split of prompt set {prompts.name}, asked as round {opened.number} of loop {opened.loop} asks"
    )
    return _compared(store, a, b, outcomes[0], outcomes[1], part, split, where, notes, stored=False)


def _compared(
    store: Store,
    a: Named,
    b: Named,
    before: Sequence[Outcome],
    after: Sequence[Outcome],
    part: Artifact[Prompt],
    split: str,
    where: str,
    notes: Iterable[str],
    *,
    stored: bool,
) -> Comparison:
    lines = tuple(lines_of(before, after))
    counts, unscored, flips = counted(before, after)
    return Comparison(
        a=a.label,
        b=b.label,
        split=split,
        items=part.manifest.content_digest,
        where=where,
        stored=stored,
        lines=lines,
        counts=counts,
        unscored=unscored,
        flips=tuple(_shown(store, part, flips)),
        notes=tuple(notes),
    )


def _shown(store: Store, part: Artifact[Prompt], flips: Sequence[Flip]) -> list[Flip]:
    """The flips with their questions, and the first of each kind with their pictures."""
    wanted = {flip.prompt_id for flip in flips}
    prompts = {prompt.id: prompt for prompt in part.rows() if prompt.id in wanted}
    bank = ImageBank(store, part.manifest.packs)
    places: dict[str, int] = {}
    found = []
    for flip in flips:
        places[flip.kind] = places.get(flip.kind, 0) + 1
        prompt = prompts[flip.prompt_id]
        pictures = _pictures(prompt, bank) if places[flip.kind] <= PICTURES else ()
        found.append(
            flip.model_copy(update={"question": prompt.question, "reference": prompt.reference, "pictures": pictures})
        )
    return found


def _pictures(prompt: Prompt, bank: ImageBank) -> tuple[str, ...]:
    shown = [one for one in prompt.images if one.media_type in EMBEDDED]
    return tuple(f"data:{one.media_type};base64,{base64.b64encode(bank.bytes(one.sha256)).decode()}" for one in shown)
