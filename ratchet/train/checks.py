"""What is wrong with rows, found before training: with numbers, and all of a kind at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from datasets import Dataset

from ratchet.errors import TrainError
from ratchet.train.preference.checks import check_preference

CHUNK = 1000


def check_rows(rows: Dataset, texts: Sequence[str]) -> None:
    """Check what can be seen without a model. Raises TrainError.

    `texts` names the columns of messages. There must be rows, every row needs a picture, the two sides of a pair must
    differ, and a method of labels needs both of them.
    """
    if len(rows) == 0:
        raise TrainError(
            "there are 0 rows to train on; the filter dropped all. See its counts, and loosen filter or sample more in generate."
        )
    lacking = [name for name in ("images", *texts) if name not in rows.column_names]
    if lacking:
        raise TrainError(
            f"the rows lack the columns {', '.join(lacking)}; they have {', '.join(rows.column_names)}. Run the filter stage again."
        )
    bare = _without_pictures(rows)
    if bare:
        raise TrainError(
            f"{len(bare)} of {len(rows)} rows lack a picture or its bytes (first: row {bare[0]}). Drop them, or run the stages before again."
        )
    check_preference(rows, texts)


def check_rendering(rows: Dataset, processor: Any, texts: Sequence[str]) -> None:
    """Check that every row will have as many image placeholders as pictures. Raises TrainError.

    The template is tried on the first row of each number of pictures; beyond that only a placeholder that stands in a
    row's own text can be in the way.
    """
    tokens = [
        t for t in (getattr(processor, name, None) for name in ("boi_token", "image_token")) if isinstance(t, str)
    ]
    first: dict[int, int] = {}
    stray: list[int] = []
    for number, row in enumerate(message_columns(rows, texts)):
        said = "".join(message["content"] for name in texts for message in row[name])
        if any(token in said for token in tokens):
            stray.append(number)
    if stray:
        raise TrainError(
            f"{len(stray)} of {len(rows)} rows have an image placeholder ({' or '.join(tokens)}) in their text "
            f"(first: row {stray[0]}), so placeholders and pictures would not match. Drop these rows."
        )
    for number, count in enumerate(picture_counts(rows)):
        first.setdefault(count, number)
    for count, number in first.items():
        _try_template(rows, number, count, processor, tokens)


def _try_template(rows: Dataset, number: int, count: int, processor: Any, tokens: Sequence[str]) -> None:
    from trl.data_utils import prepare_multimodal_messages

    messages = prepare_multimodal_messages(rows.select_columns(["prompt"])[number]["prompt"], images=[None] * count)
    try:
        text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except Exception as error:
        # A template is a program of whoever made the model: it may raise anything.
        raise TrainError(
            f"the chat template fails on row {number}: {type(error).__name__}: {error}. "
            "Give the seed a template that takes lists of parts."
        ) from error
    if tokens and all(text.count(token) != count for token in tokens):
        raise TrainError(
            f"row {number} has {count} pictures, but the chat template writes {max(text.count(t) for t in tokens)} image "
            f"placeholders ({' or '.join(tokens)}). Give the seed a template that writes one per picture."
        )


def message_columns(rows: Dataset, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows' message columns, without touching their pictures."""
    for chunk in rows.select_columns(list(names)).iter(CHUNK):
        yield from (dict(zip(names, row, strict=True)) for row in zip(*(chunk[name] for name in names), strict=True))


def picture_counts(rows: Dataset, column: str = "images") -> Any:
    """How many pictures each row has, or what else a column lists."""
    for table in rows.select_columns([column]).with_format("arrow").iter(CHUNK):
        yield from table.column(column).combine_chunks().value_lengths().fill_null(0).to_pylist()


def _without_pictures(rows: Dataset) -> list[int]:
    """Numbers of the rows that have no picture, or one with neither bytes nor a path."""
    found: list[int] = []
    start = 0
    for table in rows.select_columns(["images"]).with_format("arrow").iter(CHUNK):
        column = table.column("images").combine_chunks()
        lengths = column.value_lengths().fill_null(0).to_pylist()
        values = column.flatten()
        there = [
            b or p
            for b, p in zip(
                values.field("bytes").is_valid().to_pylist(), values.field("path").is_valid().to_pylist(), strict=True
            )
        ]
        end = 0
        for place, length in enumerate(lengths):
            begin, end = end, end + length
            if length == 0 or not all(there[begin:end]):
                found.append(start + place)
        start += len(lengths)
    return found
