"""How long rows are as the model reads them, before any of them is trained on.

Texts are rendered and tokenised as TRL does it. What a picture adds depends on its size alone, so the processor is asked
once a size, with a blank picture; some rows are then read in full, and where the sums do not agree all are.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset

from ratchet import models
from ratchet.errors import TrainError
from ratchet.generate.engines.local import max_positions
from ratchet.train.checks import CHUNK, message_columns, picture_counts

Size = tuple[int, int]
"""Width and height of a picture, upright."""
BESIDE = {
    "bad_images": ("bad_images", "prompt", "chosen"),
    "rejected_images": ("rejected_images", "prompt", "rejected"),
    "content": ("images", "content_prompt", "content"),
}
"""What else of a row is read, where it has the column: these pictures, this prompt and this answer."""
_TURNED = range(5, 9)
"""EXIF orientations that swap width and height."""
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Lengths:
    """Tokens of every row (arrays of rows): its prompt with its pictures, what its pictures are of that, its longest answer."""

    prompt: Any
    pictured: Any
    answer: Any
    pictures: Any

    @property
    def total(self) -> Any:
        return self.prompt + self.answer

    def longest(self, n: int) -> list[int]:
        """Numbers of the `n` longest rows."""
        return [int(row) for row in np.argsort(-self.total, kind="stable")[:n]]

    def with_longer(self, rows: Sequence[int], others: Lengths) -> Lengths:
        """With the lengths of `others`, which are of these `rows`, where those are longer."""
        made = [np.array(values) for values in (self.prompt, self.pictured, self.answer, self.pictures)]
        longer = others.total > self.total[list(rows)]
        places = np.array(rows, dtype=np.int64)[longer]
        for mine, theirs in zip(made, (others.prompt, others.pictured, others.answer, others.pictures), strict=True):
            mine[places] = theirs[longer]
        return Lengths(*made)


def lengths(rows: Dataset, processor: Any, texts: Sequence[str], new: int = 0) -> Lengths:
    """The rows' lengths, of each the longest that is read. `texts` are the columns of messages, the prompt first; `new` tokens are
    made where it is the only one."""
    found = _lengths(rows, processor, texts, new)
    for name, columns in BESIDE.items():
        if name in rows.column_names:
            numbers = [number for number, length in enumerate(picture_counts(rows, name)) if length]
            if numbers:
                part = rows.select(numbers).select_columns(list(columns))
                part = part.rename_columns(dict(zip(columns, ("images", "prompt", "completion"), strict=True)))
                found = found.with_longer(numbers, _lengths(part, processor, ("prompt", "completion"), 0))
    return found


def _lengths(rows: Dataset, processor: Any, texts: Sequence[str], new: int) -> Lengths:
    prompts, answers = _rendered(rows, processor, texts)
    sizes = list(_sizes(rows))
    pictures = np.array([len(row) for row in sizes], dtype=np.int64)
    tokenizer = processor.tokenizer
    said = _longest_answers(tokenizer, answers, new)
    plain = np.array(_count(tokenizer, prompts), dtype=np.int64)
    added = _added(processor, {size for row in sizes for size in row})
    if added is not None:
        prompt = plain + np.array([sum(added[size] for size in row) for row in sizes], dtype=np.int64)
        found = Lengths(prompt, prompt - plain + pictures, said, pictures)
        looked = sorted({0, len(rows) // 2, *found.longest(1)})
        if _read(rows, processor, prompts, looked) == [int(found.prompt[row]) for row in looked]:
            return found
    exact = np.array(_read(rows, processor, prompts, range(len(rows))), dtype=np.int64)
    return Lengths(exact, exact - plain + pictures, said, pictures)


def check_lengths(found: Lengths, model: Any, rows: Dataset) -> None:
    """Raise TrainError where rows are longer than the model's positions: TRL would cut them, or the model read nonsense."""
    most = max_positions(model.config)
    long = [int(row) for row in np.flatnonzero(found.total > most)]
    if not long:
        return
    worst = found.longest(1)[0]
    asked = " ".join(m["content"] for m in rows.select_columns(["prompt"])[worst]["prompt"])
    raise TrainError(
        f"{len(long)} of {len(rows)} rows are longer than the model's {most} positions (rows {_some(long)}). "
        f"The longest is row {worst} ({asked[:60]!r}): {found.total[worst]} tokens, {found.pictured[worst]} of them for "
        f"{found.pictures[worst]} pictures, {found.answer[worst]} for the answer. Drop long rows in filter, show fewer or smaller "
        "pictures, or lower generate.max_new_tokens."
    )


def _rendered(rows: Dataset, processor: Any, names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Every row's prompt, and its answers, as TRL's collators render them."""
    from trl.data_utils import apply_chat_template, prepare_multimodal_messages

    prompts: list[str] = []
    answers: list[list[str]] = []
    for row, pictures in zip(message_columns(rows, names), picture_counts(rows), strict=True):
        asked = {"prompt": prepare_multimodal_messages(row["prompt"], images=[None] * pictures)}
        sides = {name: prepare_multimodal_messages(row[name]) for name in names if name != "prompt"}
        shown = apply_chat_template({**asked, **sides}, processor)
        prompts.append(shown["prompt"])
        answers.append([shown[name] for name in sides])
    return prompts, answers


def _sizes(rows: Dataset) -> Iterator[list[Size]]:
    """The sizes of every row's pictures, of which no more than the header is read."""
    from PIL import Image

    for table in rows.select_columns(["images"]).with_format("arrow").iter(CHUNK):
        for pictures in table.column("images").to_pylist():
            row: list[Size] = []
            for picture in pictures:
                with Image.open(io.BytesIO(picture["bytes"]) if picture["bytes"] else picture["path"]) as image:
                    width, height = image.size
                    turned = image.getexif().get(_ORIENTATION) in _TURNED
                row.append((height, width) if turned else (width, height))
            yield row


def _count(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    return [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]] if texts else []


def _longest_answers(tokenizer: Any, answers: Sequence[Sequence[str]], new: int) -> Any:
    counts = iter(_count(tokenizer, [text for side in answers for text in side]))
    return np.array([max((next(counts) for _ in side), default=new) for side in answers], dtype=np.int64)


def _added(processor: Any, sizes: set[Size]) -> dict[Size, int] | None:
    """Tokens that a picture of each size adds to its placeholder; None where the processor does not name its placeholder."""
    from PIL import Image

    mark = models.placeholder(processor)
    if not isinstance(mark, str):
        return None
    (own,) = _count(processor.tokenizer, [mark])
    found: dict[Size, int] = {}
    for size in sorted(sizes):
        shown = processor(text=[mark], images=[[Image.new("RGB", size)]], add_special_tokens=False)
        found[size] = len(shown["input_ids"][0]) - own
    return found


def _read(rows: Dataset, processor: Any, prompts: Sequence[str], numbers: Iterable[int]) -> list[int]:
    """Tokens of these rows' prompts by the processor itself, pictures and all."""
    pictures = rows.select_columns(["images"])
    found: list[int] = []
    for row in numbers:
        # One by one, as batches of many pictures cost memory and padding.
        shown = processor(text=[prompts[row]], images=[pictures[row]["images"]], add_special_tokens=False)
        found.append(len(shown["input_ids"][0]))
    return found


def _some(numbers: Sequence[int], most: int = 5) -> str:
    return ", ".join(map(str, numbers[:most])) + (", ..." if len(numbers) > most else "")
