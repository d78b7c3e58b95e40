"""Real items for the report: pictures, questions, answers and verdicts, a few of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ratchet import rounds
from ratchet.artifacts import GROUPS, Artifact, ImageBank, Manifest
from ratchet.errors import ArtifactError, NotFound
from ratchet.evaluate.outcomes import OUTCOMES, Outcome
from ratchet.promptset import find, open_part
from ratchet.recipe import VerifyConfig
from ratchet.records import Group, ImageRef, Prompt
from ratchet.report.specimens import address
from ratchet.report.view import AnswerView, Flip, GalleryItem
from ratchet.store import Store
from ratchet.verify.judging import EVERY
from ratchet.verify.policy import judge

Row = TypeVar("Row", Prompt, Group)
FLIPS_FIRST = 8
PICTURE_BYTES = 20 * 2**20
"""What the gallery's pictures weigh in a page at most, give or take one."""
FLIPS: Mapping[tuple[bool, bool], Flip] = {
    (False, True): "wrong to right",
    (True, False): "right to wrong",
    (True, True): "both right",
    (False, False): "both wrong",
}


def gallery(
    store: Store,
    loop: str,
    numbers: Sequence[int],
    final: Artifact[Outcome] | None,
    most: int,
    picture_bytes: int = PICTURE_BYTES,
) -> list[GalleryItem]:
    """At most `most` items: half of the report split (seed against champion) where it was read, and of each round as many of
    the items that the gate read (champion against candidate) as of what it learned from.

    Pictures stand in the page itself. Each part may fill as much of the `picture_bytes` that are left as it has of the items'
    places; where they are filled, items come without.
    """
    frames = Frames(picture_bytes)
    found: list[GalleryItem] = []
    if final is not None and numbers:
        found += _last_read(store, loop, numbers, final, frames.share(most // 2, most), frames)
    share = (most - len(found)) // max(len(numbers), 1)
    for number in numbers:
        before = len(found)
        found += _examined(store, loop, number, frames.share(share // 2, most - before), frames)
        rest = share - (len(found) - before)
        found += _learned(store, loop, number, frames.share(rest, most - len(found)), frames)
    return found


class Frames:
    """Pictures as they stand in the page, each once, until they are too many bytes together."""

    def __init__(self, most: int) -> None:
        self._left, self._kept = most, 0
        self._known: dict[str, str] = {}

    def share(self, places: int, of: int) -> int:
        """Keep room for the items that come after the next `places`, which are some `of` those that may come still; `places`."""
        self._kept = self._left - self._left * places // of if of else 0
        return places

    def of(self, refs: Sequence[ImageRef], bank: ImageBank) -> tuple[str, ...]:
        """All pictures of an item as data URIs; none of them where one has no room."""
        for ref in refs:
            if ref.sha256 not in self._known and self._left > self._kept:
                self._known[ref.sha256] = address(ref, bank)
                self._left -= len(self._known[ref.sha256])
        return tuple(self._known[ref.sha256] for ref in refs) if all(r.sha256 in self._known for r in refs) else ()


def _last_read(
    store: Store, loop: str, numbers: Sequence[int], final: Artifact[Outcome], most: int, frames: Frames
) -> Iterator[GalleryItem]:
    """Items of the report split: seed against champion."""
    source = find(store, rounds.read_round(store, loop, numbers[0]).report)
    if source is not None:
        part = open_part(store, source, "report")
        yield from _compared(part, final.rows(), ("seed", "champion"), most, frames, split="report", round=None)


def _examined(store: Store, loop: str, number: int, most: int, frames: Frames) -> Iterator[GalleryItem]:
    """The round's holdout items, as the gate read them: champion against candidate."""
    done = rounds.manifests(store, loop, number)
    source = find(store, rounds.read_round(store, loop, number).prompts)
    if "evaluate" not in done or source is None or most <= 0:
        return
    try:
        outcomes = Artifact.open(store, done["evaluate"].uri, OUTCOMES)
        part = open_part(store, source, "holdout")
    except (ArtifactError, NotFound):
        return
    yield from _compared(part, outcomes.rows(), ("champion", "candidate"), most, frames, split="holdout", round=number)


def _compared(
    part: Artifact[Prompt],
    outcomes: Iterable[Outcome],
    names: tuple[str, str],
    most: int,
    frames: Frames,
    **about: Any,
) -> Iterator[GalleryItem]:
    """Items that both models answered. Where they are too many, of every flip and skill in turn, so that rare ones are seen."""
    sides: dict[str, dict[str, Outcome]] = {}
    for outcome in outcomes:
        if outcome.suite is None:
            sides.setdefault(outcome.prompt_id, {})[outcome.role] = outcome
    everyone = [(s["champion"], s["candidate"]) for s in sides.values() if len(s) == len(names)]
    met = Counter(_flip(before, after) for before, after in everyone)
    both = _in_turn(everyone, most)
    prompts = {prompt.id: prompt for prompt in _with_ids(part, {before.prompt_id for before, _ in both})}
    bank = ImageBank(part.store, part.manifest.packs)
    for before, after in both:
        if before.prompt_id not in prompts:
            continue
        answers = (_answer(names[0], before), _answer(names[1], after))
        shown = _shown(prompts[before.prompt_id], bank, frames)
        flip = _flip(before, after)
        yield GalleryItem(flip=flip, flips=met[flip] if flip else None, answers=answers, **shown, **about)


def _in_turn(both: Sequence[tuple[Outcome, Outcome]], most: int) -> list[tuple[Outcome, Outcome]]:
    """At most `most` pairs in their order: the first of every kind, then the second of every kind, and so on; of what changed
    between the two models FLIPS_FIRST times as many."""
    seen = Counter[tuple[str, str | None]]()
    ranked: list[tuple[int, int]] = []
    for place, (before, after) in enumerate(both):
        kind = (before.skill, _flip(before, after))
        changed = kind[1] in ("wrong to right", "right to wrong")
        ranked.append((seen[kind] // (FLIPS_FIRST if changed else 1), place))
        seen[kind] += 1
    return [both[place] for place in sorted(place for _, place in sorted(ranked)[:most])]


def _flip(before: Outcome, after: Outcome) -> Flip | None:
    """None where one of them could not be scored."""
    return None if before.correct is None or after.correct is None else FLIPS[before.correct, after.correct]


def _learned(store: Store, loop: str, number: int, most: int, frames: Frames) -> Iterator[GalleryItem]:
    """Prompts of the round's pool, of every skill as many, each with all its samples."""
    done = rounds.manifests(store, loop, number)
    if "verify" not in done or most <= 0:
        return
    config = rounds.read_round(store, loop, number).recipe.verify
    verified = Artifact.open(store, done["verify"].uri, GROUPS)
    bank = ImageBank(store, verified.manifest.packs)
    skills = max(len(verified.manifest.results.get("skills", {})), 9)
    groups = list(_of_every_skill(verified, max(most // skills, 1), most))
    kept = _kept(store, done.get("filter"), {group.prompt.id for group in groups})
    for group in groups:
        chosen = kept.get(group.prompt.id)
        answers = tuple(_sample(group, index, chosen, config) for index in range(len(group.completions)))
        yield GalleryItem(round=number, split="pool", answers=answers, **_shown(group.prompt, bank, frames))


def _of_every_skill(verified: Artifact[Group], each: int, most: int) -> Iterator[Group]:
    """The first groups of every skill, `each` at most; no row is made of what is not shown."""
    seen = Counter[str]()
    for table in verified.tables():
        chosen = []
        for place, skill in enumerate(_field(table, "skill").to_pylist()):
            seen[skill] += 1
            if seen[skill] <= each:
                chosen.append(place)
        yield from _rows_at(verified, table, chosen)
        if sum(min(number, each) for number in seen.values()) >= most:
            return


def _kept(store: Store, filtered: Manifest | None, ids: Collection[str]) -> dict[str, set[int]]:
    """Indices of the completions that training used, by prompt, of these prompts."""
    if filtered is None:
        return {}
    try:
        groups = _with_ids(Artifact.open(store, filtered.uri, GROUPS), ids)
        return {g.prompt.id: {c.index for c in g.completions if c.kept} for g in groups}
    except (ArtifactError, NotFound):
        return {}


def _with_ids(artifact: Artifact[Row], ids: Collection[str]) -> Iterator[Row]:
    """Rows of these prompts; the others stay columns, which is many times faster."""
    for table in artifact.tables():
        places = [place for place, id_ in enumerate(_field(table, "id").to_pylist()) if id_ in ids]
        yield from _rows_at(artifact, table, places)


def _rows_at(artifact: Artifact[Row], table: pa.Table, places: Sequence[int]) -> list[Row]:
    # Arrow has no kernel that takes rows with a map in them.
    return artifact.schema.rows(pa.concat_tables([table.slice(place, 1) for place in places])) if places else []


def _field(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column of prompts, whether they are the rows or part of them."""
    return table.column(name) if name in table.column_names else pc.struct_field(table.column("prompt"), name)


def _sample(group: Group, index: int, kept: set[int] | None, config: VerifyConfig) -> AnswerView:
    """Judged as the round did; where its policy lets everything pass, as its verifiers together would."""
    completion = group.completions[index]
    verdicts = completion.verdicts
    judged = judge(verdicts, EVERY if config.policy == "none" else config)
    return AnswerView(
        who=f"sample {index + 1}",
        text=completion.text,
        passed=judged.passed,
        reason=judged.reason if verdicts else "not checked",
        said={v.verifier: v.passed for v in verdicts} if len(verdicts) > 1 else {},
        kept=kept is not None and completion.index in kept,
    )


def _answer(who: str, outcome: Outcome) -> AnswerView:
    return AnswerView(
        who=who,
        text=outcome.text,
        passed=outcome.correct,
        reason=outcome.reason,
        sampled=(outcome.samples_correct, outcome.samples) if outcome.samples else None,
    )


def _shown(prompt: Prompt, bank: ImageBank, frames: Frames) -> dict[str, Any]:
    pictures = frames.of(prompt.images, bank)
    return {
        "prompt_id": prompt.id,
        "skill": prompt.skill,
        "question": prompt.question,
        "reference": prompt.reference,
        "pictures": pictures,
        "left_out": 0 if pictures else len(prompt.images),
    }
