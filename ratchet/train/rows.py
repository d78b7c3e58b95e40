"""Groups as TRL's training rows. Pure functions; the pictures are joined last, from packs to a file that is mapped.

A row's columns are TRL's: `images`, `prompt` and `completion`, or `prompt`, `chosen` and `rejected`, as message lists
with plain text. TRL puts the pictures before the first user turn's text, as the samplers do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet.artifacts import ImageBank
from ratchet.errors import TrainError
from ratchet.records import Completion, Group, Message, Pair, Prompt

if TYPE_CHECKING:
    from datasets import Dataset

Row = dict[str, Any]
"""A row before its pictures are joined: `images` holds their SHA-256."""


def sft_rows(groups: Iterable[Group]) -> list[Row]:
    """One row per kept completion of the groups that are for SFT, by prompt id and completion.

    The prompt is the stored one, also where the model was shown something else: a hint is not to be learned.
    """
    keyed = [
        ((group.prompt.id, place), {**_asked(group.prompt), "completion": _answer(completion)})
        for group in groups
        if "sft" in group.uses
        for place, completion in enumerate(group.completions)
        if completion.kept
    ]
    return [row for _, row in sorted(keyed, key=lambda item: item[0])]


def preference_rows(groups: Iterable[Group]) -> list[Row]:
    """One row per pair of the groups that are for preference learning, by prompt id and pair.

    Raises TrainError for pairs that name completions that are not there, and for pairs of pictures.
    """
    keyed = [
        ((group.prompt.id, place), {**_asked(group.prompt), **_sides(group, pair)})
        for group in groups
        if "preference" in group.uses
        for place, pair in enumerate(group.pairs)
    ]
    return [row for _, row in sorted(keyed, key=lambda item: item[0])]


ROWS: Mapping[str, Callable[[Iterable[Group]], list[Row]]] = {"sft": sft_rows, "dpo": preference_rows}
"""How each method's rows come from groups."""


def joined(rows: Sequence[Row], bank: ImageBank, file: Path) -> Dataset:
    """The rows with their pictures, as a data set over the Arrow file `file` that this writes.

    Bytes stay on disk and are decoded, to RGB, when a row is read. Raises TrainError when a picture is in no pack.
    """
    from datasets import Dataset
    from datasets.arrow_writer import ArrowWriter

    place = {sha256: number for number, sha256 in enumerate(bank)}
    _check_pictures(rows, place)
    # Packs are read front to back, each part once; the rows' own order is put on top.
    order = sorted(range(len(rows)), key=lambda number: [place[sha256] for sha256 in rows[number]["images"]])
    if not rows:
        return Dataset.from_list([])
    with ArrowWriter(path=str(file), features=features(rows[0]), writer_batch_size=256) as writer:
        for number in order:
            images = [{"bytes": bank.bytes(sha256), "path": None} for sha256 in rows[number]["images"]]
            writer.write({**rows[number], "images": images})
        writer.finalize()
    where = sorted(range(len(order)), key=order.__getitem__)
    return Dataset.from_file(str(file)).select(where)


def features(row: Row) -> Any:
    """Column types of rows like this one: pictures by bytes, and messages."""
    from datasets import Features, Image, List, Value

    messages = List({"role": Value("string"), "content": Value("string")})
    return Features({name: List(Image(mode="RGB")) if name == "images" else messages for name in row})


def _asked(prompt: Prompt) -> Row:
    return {"images": [ref.sha256 for ref in prompt.images], "prompt": [_message(m) for m in prompt.messages]}


def _message(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _answer(completion: Completion) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": completion.text}]


def _sides(group: Group, pair: Pair) -> Row:
    known = {completion.index: completion for completion in group.completions}
    if pair.chosen not in known or pair.rejected not in known:
        raise TrainError(
            f"prompt {group.prompt.id} has a pair ({pair.chosen}, {pair.rejected}), but completions {sorted(known)}; "
            "the filter's artifact is broken, run filter again."
        )
    if pair.kind != "text":
        raise TrainError(
            f"prompt {group.prompt.id} has a pair of kind {pair.kind!r}; dpo learns from two answers about the same "
            "pictures. Leave pairs of pictures out in filter.pairs."
        )
    return {
        "chosen": _answer(known[pair.chosen]),
        "rejected": _answer(known[pair.rejected]),
    }


def _check_pictures(rows: Sequence[Row], place: Mapping[str, int]) -> None:
    lost = [sha256 for row in rows for sha256 in row["images"] if sha256 not in place]
    if lost:
        raise TrainError(
            f"{len(lost)} pictures of {len(rows)} rows are in none of the packs (first: {lost[0][:12]}); "
            "the parent artifact is incomplete, run the round's stages again from generate."
        )
