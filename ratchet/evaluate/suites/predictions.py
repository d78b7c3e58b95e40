"""Stored answers, a file of them for a whole suite: read, checked against the items, marked and counted."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratchet import canonical
from ratchet.artifacts.columns import paused_gc
from ratchet.errors import PromptSetError
from ratchet.evaluate.suites.base import Asked, Mark, Marked, Suite
from ratchet.evaluate.suites.figures import Measured
from ratchet.evaluate.suites.marking import ByRule, Told, told_of
from ratchet.evaluate.suites.preparing import Origin, Prepared, Survey

KEYS = ("key", "id", "question_id")
TEXTS = ("prediction", "text", "answer", "response")
SCORE = "score"
SHOWN = 3
SHORT = 32
READ_ROWS = 16_384
COUNTS = "counts"
Predictions = dict[str, "str | tuple[str, Mark]"]
"""Answers by key; with a mark where the file gives scores."""


class PredictionsProblem(PromptSetError):
    """A file of predictions that cannot be scored: unreadable, incomplete, or for other questions."""


def read(file: Path) -> Predictions:
    """The answers of a JSONL or Parquet file: a key (or id, question_id) and a prediction (or text, answer, response) a row.

    A column `score` (0..1), with `counts` where the suite adds up more than scores, stands in for the judge's mark; a rule's
    marks are always its own. In any suite a score of null is an item that was not answered, or not decided: unscored, not
    wrong. Raises PredictionsProblem naming file, row and rule.
    """
    found: Predictions = {}
    repeated: list[str] = []
    short: dict[str, str] = {}
    with paused_gc():
        for number, row in enumerate(_rows(file), 1):
            key, said = _one(file, number, row)
            if key in found:
                repeated.append(key)
            # Most benchmarks are answered by a few short words: each is in memory once.
            found[key] = short.setdefault(said, said) if isinstance(said, str) and len(said) <= SHORT else said
    _refuse(repeated, f"{file} answers {{n}} questions more than once ({{some}}); keep one answer each.")
    if not found:
        raise PredictionsProblem(f"{file} holds no prediction; give one row for each question.")
    return found


def measured(suite: Suite, digest: str, told: Iterable[Told], said: Predictions) -> Measured:
    """Marked items of stored answers, which are used up. Raises PredictionsProblem where items and answers differ."""
    with paused_gc():
        return Measured(suite, digest, list(marked(suite, told, said)))


def marked(suite: Suite, told: Iterable[Told], said: Predictions) -> Iterator[Marked]:
    """Items with the marks of their stored answers. At the end it is told which answers are missing, or left over."""
    rule = None if suite.mark is None else ByRule(suite)
    missing: list[str] = []
    for item in told:
        answer = said.pop(item.asked.key, None)
        if answer is None:
            missing.append(item.asked.key)
        else:
            yield item.marked(_mark(suite, rule, item.asked, answer))
    _refuse(missing, f"{{n}} questions of {suite.title} have no prediction ({{some}}); answer every question, or score the part "
            "that was answered (--part, --limit).")  # fmt: skip
    _refuse(list(said), f"{{n}} predictions answer no question of {suite.title} ({{some}}); they are of another suite, part or "
            "version. Take them out.")  # fmt: skip


def told_of_origin(origin: Origin, found: Survey) -> Iterator[Told]:
    """Items straight from a benchmark's files, which a survey has read before, without storing them."""
    for one in origin.questions():
        if one.key in found.keys:
            asked = Asked(one.key, one.category, one.reference, one.facts, one.text)
            cluster = one.cluster if one.cluster is not None else canonical.sha256(one.pictures[0])
            yield Told(asked, one.unit, cluster)


def told_of_prepared(prepared: Prepared) -> Iterator[Told]:
    """Items of a prepared suite, a shard at a time."""
    for table in prepared.artifact.tables():
        yield from told_of(table)


def _mark(suite: Suite, rule: ByRule | None, asked: Asked, answer: str | tuple[str, Mark]) -> Mark:
    text, given = answer if isinstance(answer, tuple) else (answer, None)
    if given is not None and (rule is None or given.score is None):
        return given
    if rule is not None:
        return rule.one(asked, text)
    raise PredictionsProblem(
        f"{suite.title} is marked by a judge, and the predictions give no {SCORE}; add a column {SCORE} (0..1), or run "
        f"`ratchet evaluate suite {suite.name} --judge NAME --recipe FILE`."
    )


def _one(file: Path, number: int, row: Mapping[str, Any]) -> tuple[str, str | tuple[str, Mark]]:
    key, text = (_first(row, names) for names in (KEYS, TEXTS))
    if key is None or isinstance(key, bool) or not isinstance(key, str | int):
        raise PredictionsProblem(f"{file}, row {number}: no {' or '.join(KEYS)}; each row names its question.")
    if not isinstance(text, str):
        raise PredictionsProblem(
            f'{file}, row {number} (key {str(key)!r}): no {" or ".join(TEXTS)} that is text; an empty answer is "".'
        )
    if SCORE not in row:
        return str(key), text
    given = row[SCORE]
    if given is not None and (isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1):
        why = "is not a number" if isinstance(given, float) and math.isnan(given) else f"is {given!r}"
        raise PredictionsProblem(
            f"{file}, row {number} (key {str(key)!r}): its {SCORE} {why}; a score lies in 0..1, null where undecided."
        )
    if given is None:
        return str(key), (text, Mark(None, None, "given"))
    return str(key), (text, Mark(float(given), text, "given", _counts(file, number, str(key), row.get(COUNTS))))


def _counts(file: Path, number: int, key: str, given: Any) -> dict[str, float]:
    where = f"{file}, row {number} (key {key!r}): its {COUNTS}"
    if given is not None and not isinstance(given, Mapping):
        raise PredictionsProblem(f"{where} is a {type(given).__name__}, and must be an object of numbers.")
    found = {name: value for name, value in (given or {}).items() if value is not None}
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise PredictionsProblem(f"{where} have {name!r} {value!r}, which is no number.")
    return {name: float(value) for name, value in found.items()}


def _first(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _rows(file: Path) -> Iterator[Mapping[str, Any]]:
    if not file.is_file():
        raise PredictionsProblem(f"no file {file}; give predictions as .jsonl or .parquet.")
    if file.suffix == ".parquet":
        yield from _parquet(file)
    elif file.suffix in (".jsonl", ".ndjson"):
        yield from _lines(file)
    else:
        raise PredictionsProblem(f"{file} is neither .jsonl nor .parquet; write predictions as one of these.")


def _parquet(file: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with pq.ParquetFile(file) as opened:
            names = [name for name in opened.schema_arrow.names if name in (*KEYS, *TEXTS, SCORE, COUNTS)]
            for batch in opened.iter_batches(READ_ROWS, columns=names):
                yield from batch.to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise PredictionsProblem(f"{file} is not a whole Parquet file ({error}); write it again.") from error


def _lines(file: Path) -> Iterator[Mapping[str, Any]]:
    with file.open("rb") as opened:
        for number, line in enumerate(opened, 1):
            if not line.strip():
                continue
            try:
                found = _loaded(line)
            except ValueError as error:
                raise PredictionsProblem(f"{file}, line {number}: not JSON ({error}).") from error
            if not isinstance(found, dict):
                raise PredictionsProblem(
                    f"{file}, line {number}: a row is an object, this is a {type(found).__name__}."
                )
            yield found


def _loaded(line: bytes) -> Any:
    """Python writes NaN as a bare word, which is no JSON: it is read, and refused with its row and key."""
    try:
        return canonical.loads(line)
    except ValueError:
        return json.loads(line)


def _refuse(names: Sequence[str], words: str) -> None:
    if names:
        some = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
        raise PredictionsProblem(words.format(n=len(names), some=some))
