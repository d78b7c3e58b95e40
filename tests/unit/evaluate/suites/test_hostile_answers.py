"""Whatever a model writes, a mark is a number from 0 to 1 or none, and metrics are finite."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ratchet.evaluate.suites import SUITES, Question
from tests.benchmarks import asked, asked_of, marked_as

CORPUS = Path(__file__).resolve().parents[3] / "corpus"
ITEMS: dict[str, Question] = {
    "pope": asked("1", "yes", "random"),
    "amber": asked(
        "1", None, "generative", vocabulary="sky dog can", safe=["sky"], there=["dog"], expected=["sky"], related={"dog": ["sky"]}
    ),
    "chair": asked("1", None, "COCO", objects=["dog"]),
    "hallusionbench": asked("1", "no", "VD", "u", figure="f", subcategory="illusion"),
    "mme": asked("1", "no", "count", "u"),
    "chartqa": asked("1", "14%", "human"),
    "docvqa": asked("1", "a", answers=["a", "b c"], kinds=["form"]),
    "textvqa": asked("1", "a", answers=["a"] * 10),
    "ocrbench": asked("1", "a", "Doc-oriented VQA", answers=["a"], dataset="HME100k"),
    "vl_rewardbench": asked("a#0", "first", "general", "a"),
    "mmhal": asked("1", "a", "other", image_content="b"),
}  # fmt: skip


def hostile() -> Iterator[str]:
    for path in sorted(CORPUS.glob("*.txt")):
        yield path.read_bytes().decode("utf-8", "surrogatepass")
    for found in json.loads((CORPUS / "repeated.json").read_text()):
        yield str(found)
    yield from ("", "yes " * 20_000, "9" * 20_000, "dog, " * 20_000, "\x00", "NaN", "inf", "1e999")


ANSWERS = list(hostile())


@pytest.mark.parametrize("name", ITEMS)
def test_a_mark_is_a_share_or_none_and_metrics_are_finite(name: str) -> None:
    item, rows = ITEMS[name], []
    one = SUITES[name]
    for answer in ANSWERS:
        mark = one.mark(asked_of(item), answer) if one.mark else one.judged.read(asked_of(item), answer)  # type: ignore[union-attr]
        assert mark.score is None or 0 <= mark.score <= 1, answer[:80]
        rows.append(marked_as(item, mark))
    assert all(map(math.isfinite, numbers(one.metrics(rows))))


@pytest.mark.parametrize("name", ITEMS)
def test_metrics_of_nothing_are_not_defined(name: str) -> None:
    found = SUITES[name].metrics([])
    assert found.get(SUITES[name].primary) is None


def numbers(found: Any) -> Iterator[float]:
    if isinstance(found, dict):
        for value in found.values():
            yield from numbers(value)
    elif isinstance(found, int | float):
        yield found
