"""MMHal-Bench: 96 open questions about pictures, rated by a judge for hallucination (Sun et al. 2023, arXiv:2309.14525).

The judge sees no picture: it compares the answer with what the benchmark says of the picture, and rates it from 0 to 6. `rating`
is the mean, `hallucination_rate` the share below 3. The prompt is the benchmark's own, to the letter: numbers of two prompts or
two judges are two metrics. In the answer what a chat template would take for its own is made harmless before.

The published script counts a reply in which it finds no rating, or several, as 0, a hallucination. Here such an answer is
unscored, is in no share, and is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.resources import files
from pathlib import PurePosixPath

from ratchet.evaluate.counts import share
from ratchet.evaluate.suites.base import Asked, Judged, Mark, Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import by_category
from ratchet.evaluate.suites.folder import Folder, Row
from ratchet.evaluate.suites.pictures import Pictures, pictures_in
from ratchet.recipe.strategies.templates import filled
from ratchet.verify.extract import UNPARSED, after_thinking

KINDS = ("attribute", "adversarial", "comparison", "counting", "relation", "environment", "holistic", "other")
HIGHEST, NO_HALLUCINATION = 6, 3
CONTENT = "image_content"
RATING = "rating"
_RATING = re.compile(r"rating[*_]*:[*_]* ?([0-9]+)", re.IGNORECASE)


def load(folder: Folder, parts: tuple[str, ...]) -> Iterator[Question]:
    """Rows of response_template.json: question_type, question_topic, image_id, image_src, image_content, question, gt_answer.

    A row's picture is a file in `images`, called as image_src ends, or as image_id.
    """
    pictures = pictures_in(folder)
    for row in folder.rows(*folder.find("*response_template.json", "*.parquet", "*.jsonl", "*.json")):
        kind = row.text("question_type").lower()
        if kind not in KINDS:
            raise row.problem(f"question_type is {kind!r}, and must be one of {', '.join(KINDS)}")
        if kind not in (parts or KINDS):
            continue
        content = row.value(CONTENT)
        yield Question(
            key=f"{row.text('image_id')}-{row.number}",
            text=row.text("question"),
            pictures=(_picture(row, pictures),),
            reference=row.text("gt_answer"),
            category=kind,
            facts={CONTENT: ", ".join(map(str, content)) if isinstance(content, list) else str(content)},
        )


def _picture(row: Row, pictures: Pictures) -> bytes:
    if any(field in row for field in ("image", "image_path")):
        return pictures.of(row, "image", "image_path")
    name = PurePosixPath(row.text("image_src").partition("?")[0]).name
    for called in (name, f"{row.text('image_id')}{PurePosixPath(name).suffix}"):
        if called in pictures:
            return pictures.named(row, called)
    return pictures.named(row, name)


@lru_cache(maxsize=1)
def prompt() -> str:
    """The judge's prompt, as the benchmark's eval_gpt4.py has it (Apache 2.0), its blanks named."""
    return files(__package__).joinpath("mmhal.txt").read_text("utf-8")


def ask(item: Asked, answer: str) -> str:
    """What the judge reads. The answer comes without its thinking, and harmless."""
    values = {
        "content": item.facts[CONTENT],
        "question": item.question,
        "reference": item.reference or "",
        "answer": answer,
    }
    return filled(prompt(), values)


def read(_: Asked, reply: str) -> Mark:
    """The one rating that a reply gives; unscored where it gives none, or two."""
    found = {int(one) for one in _RATING.findall(after_thinking(reply) or "")}
    rating = found.pop() if len(found) == 1 else None
    if rating is None or rating > HIGHEST:
        return Mark(None, None, UNPARSED)
    return Mark(rating / HIGHEST, str(rating), counts={RATING: rating})


def metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """Of all items, and of each of the eight types of questions."""
    return by_category(rows, _figures)


def _figures(rows: Iterable[Marked]) -> SuiteFigures:
    every = list(rows)
    ratings = [row.mark.counts[RATING] for row in every if row.mark.score is not None]
    return {
        "rating": share(sum(ratings), len(ratings)),
        "hallucination_rate": share(sum(one < NO_HALLUCINATION for one in ratings), len(ratings)),
        "items": len(every),
        "unscored": len(every) - len(ratings),
    }


SUITES = (
    Suite(
        name="mmhal",
        title="MMHal-Bench",
        family="hallucination",
        measures="hallucination in open answers, rated 0 to 6 by a judge",
        paper="arXiv:2309.14525",
        needs="response_template.json and the folder images of Shengcao1006/MMHal-Bench, and a judge",
        format="Shengcao1006/MMHal-Bench, get_response.py and eval_gpt4.py",
        primary="rating",
        top=6.0,
        load=load,
        judged=Judged(ask=ask, read=read, version="1"),
        metrics=metrics,
        parts=KINDS,
        max_new_tokens=512,
    ),
)
