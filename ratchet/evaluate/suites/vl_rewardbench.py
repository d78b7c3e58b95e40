"""VL-RewardBench: which of two answers about a picture is better? It scores a verifier (Li et al. 2024, arXiv:2411.17451).

What is measured is a model as the judge of ratchet's pairwise verifier: its prompt, its reading of replies, its rule that each
pair is asked in both orders. So a pair is two items of one unit, and `pair_accuracy` is the share of pairs in which the better
answer wins in both: what wins in one order and loses in the other has not won. `accuracy` is the share of right items, each order
for itself, which is what others report of one order; `inconsistent` the share of pairs decided by their order. `macro` is the
plain mean of `accuracy` over the three groups.

The verifiers of a recipe (a rubric, a reward model) are scored on the same pairs by `ratchet evaluate verifiers`.

Where lmms-eval 0.7.3 differs, ours is right, and a test has both numbers: a reply that it cannot read is decided by a coin, so that a
judge that never answers has half of the pairs right; here it is unparsed, and wrong. Its prompt asks for reasons and is not ours, so
numbers are comparable within ratchet alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ratchet.evaluate.counts import share
from ratchet.evaluate.suites.answers import unparsed
from ratchet.evaluate.suites.base import Asked, Mark, Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.counting import accuracy
from ratchet.evaluate.suites.folder import Folder, Row
from ratchet.verify.extract import after_thinking
from ratchet.verify.judges.prompts import PROMPTS, asking
from ratchet.verify.judges.reading import read_choice

GROUPS = ("general", "hallucination", "reasoning")
SOURCES = {
    "mathverse": "reasoning",
    "mmmu": "reasoning",
    "hallucination": "hallucination",
    "rlhf": "hallucination",
    "rlaif": "hallucination",
    "wildvision": "general",
    "vlfeedback": "general",
}
"""Groups by what an id begins with; others are general, as the benchmark's authors count."""
WORDS = ("first", "second", "same")
QUERY, BETTER, WORSE = "query", "better", "worse"
ORDERS = (0, 1)
EACH_WAY = 2


def load(folder: Folder, parts: tuple[str, ...]) -> Iterator[Question]:
    """Rows of the Hugging Face set: id, query, response (two), image, human_ranking ([0, 1]: the first is better)."""
    for row in folder.rows(*folder.find("data/test-*.parquet", "*.parquet", "*.jsonl")):
        key = row.text("id")
        group = SOURCES.get(key.partition("-")[0].partition("_")[0].lower(), "general")
        if group in (parts or GROUPS):
            yield from _both(row, key, group)


def _both(row: Row, key: str, group: str) -> Iterator[Question]:
    better, worse = _ranked(row)
    query, picture = row.text(QUERY), row.picture("image")
    for order in ORDERS:
        first, second = (better, worse) if order == 0 else (worse, better)
        yield Question(
            key=f"{key}#{order}",
            text=asking(PROMPTS["pairwise"], {"question": query, "first": first, "second": second}),
            pictures=(picture,),
            reference=WORDS[order],
            category=group,
            unit=key,
            facts={QUERY: query, BETTER: better, WORSE: worse},
        )


def _ranked(row: Row) -> tuple[str, str]:
    answers, ranks = row.value("response"), row.value("human_ranking")
    if not isinstance(answers, list) or len(answers) != 2 or not all(isinstance(one, str) for one in answers):
        raise row.problem("response must be a list of two texts")
    if sorted(ranks) != [0, 1]:
        raise row.problem(f"human_ranking is {ranks}, and must be [0, 1] (the first is better) or [1, 0]")
    if answers[0] == answers[1]:
        raise row.problem("both responses are the same text, of which none is better")
    return answers[ranks.index(0)], answers[ranks.index(1)]


def mark(item: Asked, answer: str) -> Mark:
    """Right where the reply is the place of the better answer; "same" is read, and wrong."""
    choice = read_choice(after_thinking(answer) or "", WORDS)
    if choice is None:
        return unparsed()
    return Mark(float(WORDS[choice] == item.reference), WORDS[choice])


def metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """Of all pairs, of each group, and the plain mean of the groups."""
    groups: dict[str, list[Marked]] = defaultdict(list)
    for row in rows:
        groups[row.category].append(row)
    parts = {name: _figures(part) for name, part in sorted(groups.items())}
    means = [part["accuracy"] for part in parts.values()]
    known = [mean for mean in means if isinstance(mean, float)]
    return {
        **_figures([row for part in groups.values() for row in part]),
        "macro": share(sum(known), len(known)),
        "categories": parts,
    }


def _figures(rows: Sequence[Marked]) -> SuiteFigures:
    pairs: dict[str | None, list[Mark]] = defaultdict(list)
    for row in rows:
        pairs[row.unit].append(row.mark)
    whole = [pair for pair in pairs.values() if len(pair) == EACH_WAY and all(one.score is not None for one in pair)]
    wins = sum(all(one.correct for one in pair) for pair in whole)
    # The same word in both orders: it chose a place and no answer.
    places = sum(pair[0].said == pair[1].said and pair[0].said in WORDS[:2] for pair in whole)
    return {
        "pair_accuracy": share(wins, len(whole)),
        "inconsistent": share(places, len(whole)),
        "pairs": len(whole),
        **accuracy(rows),
    }


SUITES = (
    Suite(
        name="vl_rewardbench",
        title="VL-RewardBench",
        family="verifier",
        measures="a model as judge: which of two answers is better, in both orders",
        paper="arXiv:2411.17451",
        needs="the Parquet files of MMInstruction/VL-RewardBench",
        format="lmms-eval 0.7.3, tasks/vl_rewardbench",
        primary="pair_accuracy",
        load=load,
        mark=mark,
        metrics=metrics,
        parts=GROUPS,
    ),
)
