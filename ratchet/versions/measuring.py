"""Measure a version on a named split now. What was measured is kept with the loop, so asking again costs nothing.

validation is free to look at. A further look at the holdout is a look like the gate's: it goes on the ledger before anything is
measured, and makes the gate's next tests stricter. The report split is read once, for what is published, and never here.
"""

from __future__ import annotations

from collections.abc import Callable

from ratchet import canonical, rounds
from ratchet.artifacts import Artifact, ArtifactWriter, Header, ImageBank
from ratchet.errors import PromptSetError, RoundError
from ratchet.evaluate.measuring import measure
from ratchet.evaluate.outcomes import OUTCOMES, Outcome
from ratchet.promptset import PromptSet, find, open_part
from ratchet.records import Prompt
from ratchet.registry.items import mark_of
from ratchet.registry.looks import Looks
from ratchet.rounds import Round
from ratchet.store import Store
from ratchet.versions.naming import Named

Watch = Callable[[str], None]
VERSION = 1


def last_round(store: Store, loop: str | None) -> Round:
    """The round whose prompts and settings are used. Raises RoundError."""
    if loop is None:
        raise RoundError("neither version belongs to a loop, so nothing says which prompts to ask; give --loop.")
    known = rounds.numbers(store, rounds.check_loop_name(loop))
    if not known:
        raise RoundError(
            f"loop {loop} has no round yet, so no prompts to compare on; `ratchet run --loop {loop}` runs one."
        )
    return rounds.read_round(store, loop, known[-1])


def part_of(store: Store, opened: Round, split: str) -> tuple[PromptSet, Artifact[Prompt]]:
    """The split of a round's prompt set. Raises PromptSetError."""
    prompts = find(store, opened.prompts)
    if prompts is None or not prompts.rows.get(split):
        raise PromptSetError(
            f"the prompt set of round {opened.number} of loop {opened.loop} has no {split} split to compare on; raise prompts.{split}, "
            "or import a set with one."
        )
    return prompts, open_part(store, prompts, split)


def spend_look(store: Store, opened: Round, part: Artifact[Prompt], a: Named, b: Named) -> int:
    """Put a look at the holdout on the ledger and return its number; the same comparison again is the same look."""
    items = part.manifest.content_digest
    key = canonical.digest(["compare", a.digest, b.digest, items])
    facts = {
        "loop": opened.loop,
        "round": opened.number,
        "candidate": b.digest,
        "holdout": items,
        "by": "ratchet compare",
    }
    marks = frozenset(mark_of(prompt.split_key) for prompt in part.rows())
    return Looks(store, opened.family).take(key, facts, marks)


def measured(store: Store, opened: Round, part: Artifact[Prompt], model: Named) -> list[Outcome]:
    """The model's outcomes on the split, from an earlier comparison or from the model itself."""
    config, items = opened.recipe.evaluate, part.manifest.content_digest
    key = canonical.digest(["compared", VERSION, items, model.digest, config.asking])
    place = f"{rounds.loop_prefix(opened.loop)}/compared/{key[:16]}"
    writer = ArtifactWriter(store, place, OUTCOMES, Header(stage="compare", key=key, loop=opened.loop))
    if writer.existing() is None:
        bank = ImageBank(store, part.manifest.packs)
        writer.write(0, measure(store, model.model, list(part.rows()), bank, config, salt=items))
        writer.commit(packs=part.manifest.packs)
    return list(Artifact(store, place, OUTCOMES).rows())
