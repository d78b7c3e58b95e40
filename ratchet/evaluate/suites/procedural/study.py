"""A model's answers to a drawn suite beside what needs no picture: a guess, and the best answer that is always the same.

    ratchet evaluate suite spatial --items 3000 --size 48 --salt docs --model FOLDER --predictions answers.jsonl
    python -m ratchet.evaluate.suites.procedural.study spatial --items 3000 --size 48 --salt docs --predictions answers.jsonl

Prints a Markdown table. Intervals are 95%: of accuracy by sets, as the items of one share pictures; of sets Wilson's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ratchet.errors import PromptSetError
from ratchet.evaluate.suites.base import Asked, Drawing, Marked, Question, Suite
from ratchet.evaluate.suites.catalogue import suite
from ratchet.evaluate.suites.procedural.figures import whole_sets
from ratchet.evaluate.suites.procedural.grading import BANDS, band
from ratchet.statistics import clustered_share, wilson

HEAD = ("part", "items", "guess", "constant", "accuracy", "sets", "guess", "constant", "sets right")
_TRIED = 12
_CENTRE = "(50, 50)"


def marked(drawn: Suite, questions: Sequence[Question], answers: Mapping[str, str]) -> list[Marked]:
    """The answers, by key, marked. Raises PromptSetError where one is missing."""
    assert drawn.mark is not None, "drawn suites are marked by rule"
    rows = []
    for one in questions:
        if one.key not in answers:
            raise PromptSetError(f"no answer to {one.key}; give the same items, size and salt as were asked.")
        asked = Asked(one.key, one.category, one.reference, one.facts, one.text)
        given = drawn.mark(asked, answers[one.key])
        rows.append(Marked(one.key, one.category, one.unit, str(one.cluster), one.reference, one.facts, given))
    return rows


def constant(drawn: Suite, questions: Sequence[Question]) -> tuple[str, float, float]:
    """(answer, accuracy, sets right) of the one answer that is right most often: known only in hindsight."""
    common = Counter(one.reference or "" for one in questions).most_common(_TRIED)
    tried = [_CENTRE] if questions[0].facts["reads"] == "point" else [answer for answer, _ in common]
    found = []
    for answer in tried:
        rows = marked(drawn, questions, dict.fromkeys((one.key for one in questions), answer))
        found.append((_accuracy(rows), _sets(rows), answer))
    accuracy, sets, answer = max(found)
    return answer, accuracy, sets


def guess(questions: Sequence[Question]) -> tuple[float, float] | None:
    """(accuracy, sets right) to expect of choosing at random among what the question offers; None of points."""
    if questions[0].facts["reads"] == "point":
        return None
    chances = [1 / len(one.facts["choices"]) for one in questions]
    sets = [chance ** one.facts["of"] / one.facts["of"] for chance, one in zip(chances, questions, strict=True)]
    whole = sum(1 / one.facts["of"] for one in questions)
    return sum(chances) / len(chances), sum(sets) / whole


def table(drawn: Suite, questions: Sequence[Question], answers: Mapping[str, str]) -> Iterator[str]:
    """Rows of Markdown: each part, and each band of difficulty."""
    groups = defaultdict[str, list[Question]](list)
    for one in questions:
        groups[one.category].append(one)
    for name in BANDS:
        groups[name] = [one for one in questions if band(float(one.difficulty or 0)) == name]
    yield f"| {' | '.join(HEAD)} |"
    yield "|" + " --- |" * len(HEAD)
    for name, part in groups.items():
        if part:
            yield _row(name, drawn, part, marked(drawn, part, answers), name in BANDS)


def _row(name: str, drawn: Suite, part: Sequence[Question], rows: Sequence[Marked], mixed: bool) -> str:
    guessed = guess(part)
    # Bands hold questions of every part, and no answer fits all of them.
    said, always, always_sets = ("", None, None) if mixed else constant(drawn, part)
    hits = [bool(row.mark.correct) for row in rows]
    whole = whole_sets(rows)
    low, high = clustered_share(hits, [row.cluster for row in rows])
    right = sum(all(row.mark.correct for row in unit) for unit in whole)
    cells = [
        name, str(len(rows)), _shown(guessed and guessed[0]), f"{_shown(always)} {said}".strip(),
        _interval(sum(hits) / len(hits), low, high),
        str(len(whole)), _shown(guessed and guessed[1]), _shown(always_sets), _interval(right / len(whole), *wilson(right, len(whole))),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _accuracy(rows: Sequence[Marked]) -> float:
    return sum(bool(row.mark.correct) for row in rows) / len(rows)


def _sets(rows: Sequence[Marked]) -> float:
    whole = whole_sets(rows)
    return sum(all(row.mark.correct for row in unit) for unit in whole) / len(whole)


def _shown(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _interval(share: float, low: float, high: float) -> str:
    return f"{_shown(share)} ({_shown(low)} to {_shown(high)})"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m ratchet.evaluate.suites.procedural.study", description="Stored answers beside answering blind."
    )
    parser.add_argument("suite", help="spatial or multi-view")
    parser.add_argument("--predictions", type=Path, required=True, help="of `ratchet evaluate suite`")
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--size", type=int, default=None)
    parser.add_argument("--salt", default="")
    given = parser.parse_args(argv)
    drawn = suite(given.suite)
    if drawn.draw is None:
        parser.error(f"suite {drawn.name} draws nothing")
    # `ratchet evaluate suite` asks of the report split.
    questions = list(drawn.draw(Drawing(given.items, given.salt, given.size, split="report")))
    rows = (json.loads(line) for line in given.predictions.read_text().splitlines())
    answers = {str(row["key"]): str(row["prediction"]) for row in rows}
    for line in table(drawn, questions, answers):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
