"""Groups as TRL's training rows. Pure functions; the pictures are joined last, from packs to a file that is mapped.

A row's columns are TRL's: `images`, `prompt` and `completion`, as message lists with plain text; for preference learning see
`ratchet.train.preference.rows`. Before they are joined, columns of pictures hold their SHA-256. TRL puts the pictures before the
first user turn's text, as the samplers do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet.artifacts import ImageBank
from ratchet.errors import TrainError
from ratchet.recipe import Recipe
from ratchet.records import Completion, Group
from ratchet.train.preference.rows import Row, pair_rows, unpaired_rows
from ratchet.train.rl.rows import rl_rows
from ratchet.turns import answered, question

if TYPE_CHECKING:
    from datasets import Dataset

    from ratchet.train.preference.pictures import BadPictures


def sft_rows(groups: Iterable[Group]) -> list[Row]:
    """One row per kept completion of the groups that are for SFT, by prompt id and completion.

    The prompt is the stored one, also where the model was shown something else: a hint is not to be learned.
    """
    return _rows(_imitated(groups), lambda group, _: question(group.prompt))


def shown_rows(groups: Iterable[Group]) -> list[Row]:
    """As `sft_rows`, but the prompt is what the model was shown, pictures and its own description included (STIC's second stage,
    arXiv 2405.19716). What the answer began with is in the answer's text. Raises TrainError where nothing else was shown."""
    kept = list(_imitated(groups))
    if kept and all(completion.input is None for _, completion in kept):
        raise TrainError(
            f"train.prompt is shown, but none of the {len(kept)} kept answers was shown anything but its stored prompt; use a "
            "strategy that shows more (captioned, prompted, described), or train.prompt stored."
        )
    return _rows(kept, lambda group, completion: question(completion.input or group.prompt))


def _imitated(groups: Iterable[Group]) -> Iterator[tuple[Group, Completion]]:
    return ((group, one) for group in groups if "sft" in group.uses for one in group.completions if one.kept)


def _rows(kept: Iterable[tuple[Group, Completion]], asked: Callable[[Group, Completion], Row]) -> list[Row]:
    found = [(group.prompt.id, {**asked(group, one), "completion": answered(one.text)}) for group, one in kept]
    return [row for _, row in sorted(found, key=lambda item: item[0])]


def _sft(groups: Iterable[Group], recipe: Recipe) -> list[Row]:
    return shown_rows(groups) if recipe.train.prompt == "shown" else sft_rows(groups)


ROWS: Mapping[str, Callable[[Iterable[Group], Recipe], list[Row]]] = {
    "sft": _sft,
    "dpo": pair_rows,
    "kto": unpaired_rows,
    "grpo": rl_rows,
    "rloo": rl_rows,
}
"""How each method's rows come from groups, by the round's recipe."""

_PICTURES = ("images", "rejected_images", "bad_images")


def joined(rows: Sequence[Row], bank: ImageBank, file: Path, bad: BadPictures | None = None) -> Dataset:
    """The rows with their pictures, as a data set over the Arrow file `file`, which is written unless it is there; `bad` makes
    those of `bad_images`.

    Bytes stay on disk and are decoded, to RGB, when a row is read. Raises TrainError when a picture is in no pack, and what
    `BadPictures.check` raises.
    """
    from datasets import Dataset

    place = {sha256: number for number, sha256 in enumerate(bank)}
    _check_pictures(rows, place)
    # Packs are read front to back, each part once; the rows' own order is put on top.
    order = sorted(range(len(rows)), key=lambda number: [place[sha256] for sha256 in rows[number]["images"]])
    if not rows:
        return Dataset.from_list([])
    if not file.exists():
        # Several processes of a machine share the file: it is there whole, or not at all.
        partial = file.with_suffix(".partial")
        _write(rows, order, bank, bad, partial)
        partial.rename(file)
    where = sorted(range(len(order)), key=order.__getitem__)
    return Dataset.from_file(str(file)).select(where)


def _write(rows: Sequence[Row], order: Sequence[int], bank: ImageBank, bad: BadPictures | None, file: Path) -> None:
    from datasets.arrow_writer import ArrowWriter

    with ArrowWriter(path=str(file), features=features(rows[0]), writer_batch_size=256) as writer:
        for number in order:
            writer.write(_with_bytes(number, rows[number], bank, bad))
        writer.finalize()
    if bad is not None:
        bad.check()


def features(row: Row) -> Any:
    """Column types of rows like this one: pictures by bytes, and messages."""
    from datasets import Features, Image, List, Value

    messages = List({"role": Value("string"), "content": Value("string")})
    kinds = {**dict.fromkeys(_PICTURES, List(Image(mode="RGB"))), "label": Value("bool"), "asked": Value("string")}
    return Features({name: kinds.get(name, messages) for name in row})


def _with_bytes(number: int, row: Row, bank: ImageBank, bad: BadPictures | None) -> Row:
    encoded = {name: [bank.bytes(sha256) for sha256 in row[name]] for name in _PICTURES if name in row}
    if bad is not None:
        encoded["bad_images"] = bad.of(number, row)
    return {**row, **{name: [{"bytes": data, "path": None} for data in some] for name, some in encoded.items()}}


def _check_pictures(rows: Sequence[Row], place: Mapping[str, int]) -> None:
    lost = [sha256 for row in rows for name in _PICTURES for sha256 in row.get(name, ()) if sha256 not in place]
    if lost:
        raise TrainError(
            f"{len(lost)} pictures of {len(rows)} rows are in none of the packs (first: {lost[0][:12]}); "
            "the parent artifact is incomplete, run the round's stages again from generate."
        )
