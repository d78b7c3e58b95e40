"""CHAIR on COCO: objects that a caption names and that are not in the picture (Rohrbach et al. 2018, arXiv:1809.02156).

chair_i is the share of mentions that are hallucinated, chair_s that of captions with any, recall the share of the objects there
that are named. What is there are the objects of COCO's instances and those that its five reference captions name. Asked is
about the pictures that lie in the folder: put there those that you want (500 of val2014 are usual).

Objects are named by ratchet's own table of synonyms, the same that verifies captions in training; where the folder holds the
original's `synonyms.txt` (a line for each object: its name and its synonyms, with commas), that one counts. Numbers with two
tables are two metrics: never compare them, nor ours with published ones.

Where lmms-eval 0.7.3 differs, ours is right, and a test has both numbers: "there is no dog" and "without a dog" hallucinate a dog
there, and name none here. An empty caption hallucinates nothing, in both; ours counts it as unparsed, and recall shows it. The
score of an item, by which the gate decides, is another thing: a caption that names nothing of what is there is wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from ratchet.evaluate.counts import share
from ratchet.evaluate.suites.answers import SILENT, said, unparsed
from ratchet.evaluate.suites.base import Asked, FileProblem, Mark, Marked, Question, Suite, SuiteFigures
from ratchet.evaluate.suites.folder import Folder, Row
from ratchet.evaluate.suites.pictures import pictures_in
from ratchet.verify.rules.captions import Lexicon, coco_lexicon

ASK = "Please describe this image in detail."
OBJECTS, TABLE = "objects", "synonyms"
MENTIONED, HALLUCINATED, FOUND, THERE = "mentioned", "hallucinated", "found", "there"


def load(folder: Folder, _: tuple[str, ...]) -> Iterator[Question]:
    """COCO's instances_*.json and captions_*.json with pictures, or the rows of tsunghanwu/mscoco_chair.

    Those have question_id (COCO's number of the picture), image and gt_object (a list of names).
    """
    written = _table(folder)
    lexicon = lexicon_of(written)
    asked = _rows(folder, lexicon) if folder.names("*.parquet") else _coco(folder, lexicon)
    for key, picture, objects in asked:
        facts: dict[str, Any] = {OBJECTS: sorted(objects)}
        if written is not None:
            facts[TABLE] = written
        yield Question(key, ASK, (picture,), None, "COCO", facts=facts)


def _table(folder: Folder) -> str | None:
    found = folder.names("*synonyms.txt")
    return folder.text(found[0]) if found else None


@lru_cache(maxsize=4)
def lexicon_of(written: str | None) -> Lexicon:
    """The lexicon of a synonyms.txt, or ratchet's own."""
    if written is None:
        return coco_lexicon()
    lines = ([name.strip() for name in line.split(",") if name.strip()] for line in written.splitlines())
    return Lexicon({names[0]: tuple(names[1:]) for names in lines if names})


def _rows(folder: Folder, lexicon: Lexicon) -> Iterator[tuple[str, bytes, set[str]]]:
    for row in folder.rows(*folder.find("*test-*.parquet", "*.parquet")):
        names = row.value("gt_object")
        if not isinstance(names, list):
            raise row.problem("gt_object must be a list of names")
        yield row.text("question_id"), row.picture("image"), _known(row, lexicon, names)


def _known(row: Row, lexicon: Lexicon, names: Iterable[object]) -> set[str]:
    found: set[str] = set()
    for name in names:
        named = lexicon.named(str(name))
        if not named:
            raise row.problem(f"{name!r} is no object of the table of synonyms")
        found |= named
    return found


def _coco(folder: Folder, lexicon: Lexicon) -> Iterator[tuple[str, bytes, set[str]]]:
    pictures = pictures_in(folder)
    shown: dict[int, Row] = {}
    objects: dict[int, set[str]] = {}
    instances = folder.find("*instances_*.json")
    for name in instances:
        found = _annotations(folder, name, "categories")
        kinds = {row.value("id"): _kind(row, lexicon) for row in _listed(folder, name, found["categories"])}
        for row in _listed(folder, name, found["images"]):
            if PurePosixPath(row.text("file_name")).name in pictures:
                shown[row.value("id")], objects[row.value("id")] = row, set()
        for row in _of(objects, folder, name, found):
            if (kind := row.value("category_id")) not in kinds:
                raise row.problem(f"category_id is {kind}, and `categories` has none with that id")
            objects[row.value("image_id")].add(kinds[kind])
    if not shown:
        raise FileProblem(
            f"{folder.store.root} has no picture that {', '.join(instances)} names; put COCO's pictures there."
        )
    for name in folder.find("*captions_*.json"):
        for row in _of(objects, folder, name, _annotations(folder, name)):
            objects[row.value("image_id")] |= lexicon.named(row.text("caption"))
    for number, row in shown.items():
        yield str(number), pictures.named(row, row.text("file_name")), objects[number]


def _of(wanted: Mapping[int, set[str]], folder: Folder, name: str, found: Mapping[str, Any]) -> Iterator[Row]:
    """Annotations of these images: COCO has a million for images that are not asked about."""
    return (row for row in _listed(folder, name, found["annotations"]) if row.value("image_id") in wanted)


def _annotations(folder: Folder, name: str, *more: str) -> Mapping[str, Any]:
    found = folder.json(name)
    for field in ("images", "annotations", *more):
        if not isinstance(found, dict) or not isinstance(found.get(field), list):
            raise FileProblem(f"{folder.store.uri(name)} has no list `{field}`, which COCO's annotations have.")
    return found  # type: ignore[no-any-return]


def _listed(folder: Folder, name: str, found: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    for number, values in enumerate(found, 1):
        yield folder.row(name, number, values)


def _kind(row: Row, lexicon: Lexicon) -> str:
    named = lexicon.named(kind := row.text("name"))
    if len(named) != 1:
        raise row.problem(f"its category {kind!r} is no object of the table of synonyms")
    return next(iter(named))


def mark(item: Asked, answer: str) -> Mark:
    """1 where objects that are there are named, and none that is not. Every mention counts.

    Silence is no virtue: a caption that names nothing of what is there scores 0, though it hallucinates nothing.
    """
    caption = said(answer)
    mentions = lexicon_of(item.facts.get(TABLE)).mentions(caption or "")
    there = set(item.facts[OBJECTS])
    wrong = [one for one in mentions if one not in there]
    counts = {
        MENTIONED: len(mentions),
        HALLUCINATED: len(wrong),
        FOUND: len(there.intersection(mentions)),
        THERE: len(there),
    }
    if caption is None:
        return unparsed()._replace(counts=counts)
    right = not wrong and (bool(counts[FOUND]) or not there)
    return Mark(float(right), ", ".join(mentions), ", ".join(dict.fromkeys(wrong)) or ("" if right else SILENT), counts)


def metrics(rows: Iterable[Marked]) -> SuiteFigures:
    """chair_i, chair_s and recall over all captions, and how long they are in objects: fewer make fewer mistakes."""
    items = unparsed = clean = unscored = 0
    sums: dict[str, float] = defaultdict(float)
    for row in rows:
        if row.mark.score is None:
            unscored += 1
            continue
        items += 1
        unparsed += row.mark.said is None
        clean += not row.mark.counts.get(HALLUCINATED)
        for name, count in row.mark.counts.items():
            sums[name] += count
    return {
        "chair_i": share(sums[HALLUCINATED], sums[MENTIONED]),
        "chair_s": share(items - clean, items),
        "recall": share(sums[FOUND], sums[THERE]),
        "mentions": share(sums[MENTIONED], items),
        "items": items + unscored,
        "unscored": unscored,
        "unparsed": share(unparsed, items),
    }


SUITES = (
    Suite(
        name="chair",
        title="CHAIR (COCO)",
        family="hallucination",
        measures="objects in captions that are not there",
        paper="arXiv:1809.02156",
        needs="COCO's instances_*.json and captions_*.json with pictures; or the Parquet files of tsunghanwu/mscoco_chair; optionally synonyms.txt",
        format="lmms-eval 0.7.3, tasks/coco_cap_chair; LisaAnne/Hallucination, utils/chair.py",
        primary="chair_i",
        load=load,
        mark=mark,
        metrics=metrics,
        max_new_tokens=512,
        higher=False,
    ),
)
