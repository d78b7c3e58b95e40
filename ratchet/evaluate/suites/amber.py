"""AMBER: descriptions and yes/no questions about the same pictures (Wang et al. 2023, arXiv:2311.07397).

Descriptions: CHAIR is the share of named things that are not there, Cover the share of what is there that is named, Hal the share
of descriptions with anything hallucinated, Cog the share of what people would wrongly expect that is named. Questions:
accuracy, precision, recall and F1 of existence, attribute and relation, where "no" is the positive class, as AMBER counts. The
score is (100 - CHAIR + F1) / 2, in 0..100.

`amber_words` says how our reading of descriptions differs from the published one. From nouns on we count as AMBER and lmms-eval
0.7.3 do, and a test has it. Where they differ, ours is right, and the test has both numbers: lmms-eval adds 0.001 to each
denominator for every item, and reads any answer with the letters "no" in it ("I do not know") as a no.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ratchet.evaluate.counts import YesNoCounts, share
from ratchet.evaluate.suites.amber_words import Truth, compare, nouns_of
from ratchet.evaluate.suites.answers import SILENT, YES_NO, said, unparsed, yes_no_mark
from ratchet.evaluate.suites.base import Asked, FileProblem, Mark, Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.folder import Folder, Row
from ratchet.evaluate.suites.pictures import pictures_in

PARTS = ("generative", "existence", "attribute", "relation")
ASK = "\nPlease answer yes or no."
GENERATIVE = "generative"
KINDS = {
    "generative": GENERATIVE,
    "discriminative-hallucination": "existence",
    "discriminative-attribute-state": "attribute",
    "discriminative-attribute-number": "attribute",
    "discriminative-attribute-action": "attribute",
    "discriminative-relation": "relation",
    "relation": "relation",
}
VOCABULARY, SAFE, THERE, EXPECTED, RELATED, KIND = "vocabulary", "safe", "there", "expected", "related", "kind"
NAMED, HALLUCINATED, COVERED, THINGS, COGNITIVE, EXPECTATIONS = (
    "named", "hallucinated", "covered", "things", "cognitive", "expectations",
)  # fmt: skip


def load(folder: Folder, parts: tuple[str, ...]) -> Iterator[Question]:
    """AMBER's data folder: query_all.json (id, image, query), annotations.json (id, type, truth, hallu), relation.json, safe_words.txt."""
    pictures = pictures_in(folder)
    notes = {row.text("id"): row for row in folder.rows(*folder.find("*annotations.json"))}
    words = _Words(folder)
    for row in folder.rows(*_queries(folder)):
        key = row.text("id")
        if key not in notes:
            raise row.problem(f"annotations.json has no id {key}")
        note = notes[key]
        part = KINDS[_kind(note)]
        if part not in (parts or PARTS):
            continue
        described = part == GENERATIVE
        yield Question(
            key=key,
            text=row.text("query") + ("" if described else ASK),
            pictures=(pictures.of(row, "image"),),
            reference=None if described else note.choice("truth", YES_NO),
            category=part,
            facts=words.facts(note) if described else {KIND: _kind(note)},
            cluster=row.text("image"),
        )


def _queries(folder: Folder) -> list[str]:
    """query_all.json, or those of the two that it is made of which are there."""
    halves = folder.names("*query_generative.json") + folder.names("*query_discriminative.json")
    return folder.names("*query_all.json") or halves or folder.find("*query_all.json", "*query_discriminative.json")


def _kind(note: Row) -> str:
    found = note.text("type")
    if found not in KINDS:
        raise note.problem(f"type is {found!r}, and must be one of {', '.join(KINDS)}")
    return found


class _Words:
    """The vocabulary of relation.json, and the words that safe_words.txt lets pass."""

    def __init__(self, folder: Folder) -> None:
        (name, *_) = folder.find("*relation.json")
        related = folder.json(name)
        if not isinstance(related, dict) or not all(isinstance(words, list) for words in related.values()):
            raise FileProblem(
                f"{folder.store.uri(name)} must be an object of lists: a word and the words related to it."
            )
        self.related: Mapping[str, list[str]] = {
            word.lower(): [one.lower() for one in words] for word, words in related.items()
        }
        every = dict.fromkeys([*self.related, *(one for words in self.related.values() for one in words)])
        self.vocabulary = "\n".join(every)
        (name, *_) = folder.find("*safe_words.txt")
        self.safe = folder.text(name).split()

    def facts(self, note: Row) -> dict[str, Any]:
        there, expected = ([str(word).lower() for word in self._list(note, field)] for field in ("truth", "hallu"))
        related = {word: self.related[word] for word in (*there, *expected) if self.related.get(word)}
        known = {VOCABULARY: self.vocabulary, SAFE: self.safe}
        return {**known, THERE: there, EXPECTED: expected, RELATED: related}

    @staticmethod
    def _list(note: Row, field: str) -> list[Any]:
        found = note.value(field)
        if not isinstance(found, list):
            raise note.problem(f"{field} must be a list of words, for a generative item")
        return found


def mark(item: Asked, answer: str) -> Mark:
    """A question's answer; or a description, 1 where something in it is there, and nothing hallucinated."""
    if item.category != GENERATIVE:
        return yes_no_mark(item, answer)
    text, facts = said(answer), item.facts
    truth = Truth(facts[THERE], facts[EXPECTED], facts[RELATED])
    found = compare(nouns_of(text or "", facts[VOCABULARY]), truth, facts[SAFE])
    counts = {
        NAMED: len(found.nouns),
        HALLUCINATED: len(found.hallucinated),
        COVERED: found.covered,
        THINGS: len(truth.there),
        COGNITIVE: found.expected,
        EXPECTATIONS: len(truth.expected),
    }
    if text is None:
        return unparsed()._replace(counts=counts)
    wrong = ", ".join(dict.fromkeys(found.hallucinated))
    right = not wrong and (found.covered > 0 or not truth.there)
    return Mark(float(right), ", ".join(found.nouns), wrong or ("" if right else SILENT), counts)


def metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """The score, the four shares of descriptions, and what the questions give, together and by dimension."""
    described: list[Marked] = []
    dimensions: dict[str, list[Marked]] = defaultdict(list)
    unscored = 0
    for row in rows:
        if row.mark.score is None:
            unscored += 1
            continue
        (described if row.category == GENERATIVE else dimensions[row.category]).append(row)
    texts = _described(described)
    asked = _asked(row for part in dimensions.values() for row in part)
    chair, f1 = texts["chair"], asked["f1"]
    known = isinstance(chair, float) and isinstance(f1, float)
    return {
        "score": round(100 * (1 - chair + f1) / 2, 4) if known else None,  # type: ignore[operator]
        **{name: texts[name] for name in ("chair", "cover", "hal", "cog")},
        **{name: asked[name] for name in ("accuracy", "precision", "recall", "f1")},
        "items": len(described) + sum(map(len, dimensions.values())) + unscored,
        "unscored": unscored,
        "generative": texts,
        "categories": {name: _asked(part) for name, part in sorted(dimensions.items())},
    }


def _described(rows: list[Marked]) -> SuiteFigures:
    sums: dict[str, float] = defaultdict(float)
    for row in rows:
        for name, count in row.mark.counts.items():
            sums[name] += count
    return {
        "chair": share(sums[HALLUCINATED], sums[NAMED]),
        "cover": share(sums[COVERED], sums[THINGS]),
        "hal": share(sum(bool(row.mark.counts.get(HALLUCINATED)) for row in rows), len(rows)),
        "cog": share(sums[COGNITIVE], sums[EXPECTATIONS]),
        "items": len(rows),
        "unparsed": share(sum(row.mark.said is None for row in rows), len(rows)),
    }


def _asked(rows: Iterable[Marked]) -> SuiteFigures:
    """Of yes/no questions, where no is the positive class: that something is not there is what is to be found."""
    counts = YesNoCounts(positive="no")
    for row in rows:
        counts.add(row.mark.said, row.reference)
    return counts.figures()


SUITES = (
    Suite(
        name="amber",
        title="AMBER",
        family="hallucination",
        measures="hallucination in descriptions, and about existence, attribute and relation",
        paper="arXiv:2311.07397",
        needs="AMBER's folder data (query/query_all.json, annotations.json, relation.json, safe_words.txt) and its pictures",
        format="junyangwang0410/AMBER, inference.py; lmms-eval 0.7.3, tasks/amber_g",
        primary="score",
        top=100.0,
        load=load,
        mark=mark,
        metrics=metrics,
        parts=PARTS,
        max_new_tokens=512,
    ),
)
