"""Pairs and verdicts as training rows. Pure functions.

A pair's row has the columns `images`, `prompt`, `chosen` and `rejected`. Where the recipe knows pairs of inputs it also has
`rejected_images`, what the rejected side is read beside; with terms that ask for a bad picture `bad_images`, empty where none
is known yet; and with the content term `content_prompt` and `content`, a caption and what asked for it, or nothing.
A verdict's row has `images`, `prompt`, `completion` and `label`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

from ratchet.errors import TrainError
from ratchet.recipe import Recipe
from ratchet.recipe.strategies.guided import CaptionedConfig
from ratchet.records import Completion, Group, Message, Pair, Prompt
from ratchet.turns import answered, asked, question
from ratchet.verify.policy import judge

Row = dict[str, Any]


def pair_rows(groups: Iterable[Group], recipe: Recipe) -> list[Row]:
    """One row per pair of the groups that are for preference learning, by prompt id and pair.

    With a term that needs bad pictures a group's pairs of inputs lend theirs to its pairs of texts, in turn, and have rows of
    their own only where there are no pairs of texts. Raises TrainError for pairs that name completions that are not there, and
    for pairs whose two sides are the same.
    """
    keyed = [
        ((group.prompt.id, place), row)
        for group in groups
        if "preference" in group.uses
        for place, row in enumerate(_of_group(group, recipe))
    ]
    rows = [row for _, row in sorted(keyed, key=lambda item: item[0])]
    _check_different(rows)
    return rows


def unpaired_rows(groups: Iterable[Group], recipe: Recipe) -> list[Row]:
    """One row per different answer of the kept groups that passed (label True) or failed (False), by prompt id and index.

    An answer that a text of its group passed with is not also a bad one. Answers that are undecided, were cut, or go with a bad
    picture have no row. Raises TrainError when all labels are the same.
    """
    keyed = [
        ((group.prompt.id, completion.index), row)
        for group in groups
        if group.reason is None
        for completion, row in _labelled(group, recipe)
    ]
    rows = [row for _, row in sorted(keyed, key=lambda item: item[0])]
    if rows:
        check_labels([row["label"] for row in rows])
    return rows


def check_labels(labels: Sequence[bool]) -> tuple[int, int]:
    """(right answers, wrong ones). Raises TrainError unless there are both."""
    right = sum(labels)
    wrong = len(labels) - right
    if not right or not wrong:
        lacking = "right" if not right else "wrong"
        raise TrainError(
            f"{len(labels)} answers have a verdict, {right} right and {wrong} wrong; kto needs both. There is no {lacking} one: "
            "raise generate.k or the temperature, take prompts of another difficulty, or set verify.policy where it is none."
        )
    return right, wrong


def _of_group(group: Group, recipe: Recipe) -> Iterator[Row]:
    terms = recipe.train.pictures
    known = {completion.index: completion for completion in group.completions}
    for pair in group.pairs:
        _check_ends(group, pair, known)
    texts = [pair for pair in group.pairs if pair.kind == "text"]
    inputs = [pair for pair in group.pairs if pair.kind == "image"]
    lent = cycle(inputs) if inputs else None
    needs_bad = terms is not None and terms.needs_bad
    for pair in texts if needs_bad and texts else group.pairs:
        row = {**question(group.prompt), **_sides(known[pair.chosen], known[pair.rejected])}
        if recipe.filter.pairs is not None and recipe.filter.pairs.images:
            row["rejected_images"] = _shown(known[pair.rejected]) if pair.kind == "image" else row["images"]
        if needs_bad:
            # A pair of inputs says already what the conditional term would say of it.
            row["bad_images"] = _shown(known[next(lent).rejected]) if lent is not None and pair.kind == "text" else []
        if terms is not None and terms.content:
            row.update(_content(group.prompt, known[pair.chosen], recipe))
        yield row


def _labelled(group: Group, recipe: Recipe) -> Iterator[tuple[Completion, Row]]:
    judged = [
        (completion, judge(completion.verdicts, recipe.verify).passed)
        for completion in group.completions
        if completion.finish_reason == "stop" and not completion.input_only and not completion.blind
    ]
    taken: set[str] = set()
    for label in (True, False):
        for completion, passed in judged:
            text = " ".join(completion.text.split())
            if passed is label and text not in taken:
                taken.add(text)
                yield completion, {**question(group.prompt), "completion": answered(completion.text), "label": label}


def _content(prompt: Prompt, chosen: Completion, recipe: Recipe) -> Row:
    """The caption that the chosen answer was made from, and what asked for it."""
    for config in recipe.generate.strategy:
        cut = any(note.name == "clipped_context" and note.score for note in chosen.notes)
        if isinstance(config, CaptionedConfig) and chosen.input is not None and not cut:
            caption = caption_in(_last(chosen.input.messages), prompt.question, config)
            if caption:
                asks = config.caption.replace("{question}", prompt.question)
                return {"content_prompt": _asking(prompt, asks), "content": answered(caption)}
    return {"content_prompt": [], "content": []}


def caption_in(shown: str, question: str, config: CaptionedConfig) -> str | None:
    """What stands at {caption} in the filled instruction; None where `shown` is not made by it."""
    before, _, after = config.instruction.partition("{caption}")
    before, after = (part.replace("{question}", question) for part in (before, after))
    if "{caption}" in after or not (shown.startswith(before) and shown.endswith(after)):
        return None
    return shown[len(before) : len(shown) - len(after)].strip() or None


def _last(messages: Sequence[Message]) -> str:
    return next((message.content for message in reversed(messages) if message.role == "user"), "")


def _asking(prompt: Prompt, text: str) -> list[dict[str, str]]:
    """The prompt's messages with `text` as their last user turn."""
    said = asked(prompt)
    place = max(i for i, message in enumerate(said) if message["role"] == "user")
    return [*said[:place], {"role": "user", "content": text}, *said[place + 1 :]]


def _check_ends(group: Group, pair: Pair, known: Mapping[int, Completion]) -> None:
    if pair.chosen not in known or pair.rejected not in known:
        raise TrainError(
            f"prompt {group.prompt.id} has a pair ({pair.chosen}, {pair.rejected}), but completions {sorted(known)}; "
            "the filter's artifact is broken, run filter again."
        )
    if pair.kind == "image" and known[pair.rejected].input is None:
        raise TrainError(
            f"prompt {group.prompt.id} has a pair of inputs ({pair.chosen}, {pair.rejected}), but completion {pair.rejected} "
            "records no bad picture; the filter's artifact is broken, run generate again."
        )


def _check_different(rows: Sequence[Row]) -> None:
    same = [n for n, row in enumerate(rows) if row["chosen"] == row["rejected"] and not of_inputs(row)]
    if same:
        raise TrainError(
            f"{len(same)} of {len(rows)} pairs have the same text beside the same picture on both sides (first: row {same[0]}); "
            "there is nothing to prefer. Drop them in filter.pairs, or use another kind of negative."
        )
    spared = [n for n, row in enumerate(rows) if row.get("bad_images") and row["bad_images"] == row["images"]]
    if spared:
        raise TrainError(
            f"{len(spared)} of {len(rows)} rows have a bad picture that is their good one (first: row {spared[0]}); "
            "use another kind of negative with `use: input`."
        )


def of_inputs(row: Row) -> bool:
    """Whether the two sides differ in their pictures."""
    return bool(row.get("rejected_images", row["images"]) != row["images"])


def _sides(chosen: Completion, rejected: Completion) -> Row:
    return {"chosen": answered(chosen.text), "rejected": answered(rejected.text)}


def _shown(completion: Completion) -> list[str]:
    return [ref.sha256 for ref in completion.input.images] if completion.input is not None else []
