"""Benchmarks as their authors release them: folders of pictures with JSON or text beside them, in place of one table.

Each function makes the rows of a release into the rows of the table that the field's harness reads, so that a suite asks the
same of both: ScienceQA's problems.json, MathVista's testmini.json, MIRB's files by subset, MME's folders by subtask. A key of a
picture is its whole path in the folder. AI2D's release is not read: its questions are about letters that a script must draw first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from ratchet.evaluate.suites.base import FileProblem, Question
from ratchet.evaluate.suites.folder import Folder, Row
from ratchet.evaluate.suites.pictures import SUFFIXES
from ratchet.evaluate.suites.tables import Load, Read, loader, unique

Released = Callable[[Folder], Iterator[Row]]
QUESTIONS, IMAGES = "questions_answers_YN", "images"


def or_release(read: Read, release: str, rows: Released, *patterns: str) -> Load:
    """A suite's `load`: `rows` of a release where a file matches `release` and none `patterns`, else the rows of tables."""
    tables = loader(read, *patterns)

    def load(folder: Folder, parts: tuple[str, ...]) -> Iterator[Question]:
        if any(folder.names(pattern) for pattern in patterns) or not folder.names(release):
            return tables(folder, parts)
        return unique(rows(folder), lambda row: [one for one in [read(row)] if one is not None])

    return load


def scienceqa(folder: Folder) -> Iterator[Row]:
    """lupantech/ScienceQA: problems.json, an object of problems by number with their `split`, and test/<number>/<image>.

    Of its splits test is asked; a problem without a picture has `image` null.
    """
    lying = {"/".join(PurePosixPath(key).parts[-3:]): key for key in folder.names("*test/*/*")}
    for row in _by_id(folder, "*problems.json", "pid"):
        if row.text("split") != "test":
            continue
        if "image" not in row:
            yield _with(row, image=None)
            continue
        name = f"test/{row.text('pid')}/{row.text('image')}"
        if name not in lying:
            raise row.problem(f"the folder has no picture {name}; unpack test.zip of ScienceQA into it")
        yield _with(row, image=lying[name])


def mathvista(folder: Folder) -> Iterator[Row]:
    """lupantech/MathVista's folder data: testmini.json, an object of problems by pid, query.json (pid to query), images/."""
    name = (_either(folder, "testmini.json") or folder.find("*testmini.json"))[0]
    beside = str(PurePosixPath(name).parent / "query.json")
    queries: Any = folder.json(beside) if folder.names(beside) else {}
    for row in _by_id(folder, name, "pid"):
        query = row.get("query", queries.get(row.text("pid")))
        yield _with(row, query=query, image=_below(name, row.text("image")), decoded_image=None)


def mirb(folder: Folder, subsets: Collection[str]) -> Iterator[Row]:
    """VLLMs/MIRB's folder MIR: <subset>.json, a list of {questions, answers, images}, and the pictures that they name."""
    if not any(_either(folder, f"{subset}.json") for subset in subsets):
        folder.find("*test*.parquet", *(f"{subset}.json" for subset in subsets))
    for subset in subsets:
        for name in _either(folder, f"{subset}.json"):
            for row in folder.rows(name):
                images = row.value("images")
                listed = images if isinstance(images, list) else [images]
                key = row.get("question_id", row.number - 1)
                pictures = [_below(name, str(one)) for one in listed]
                yield _with(row, subset=subset, question_id=key, image_list=pictures)


def mme(folder: Folder, subtasks: Collection[str]) -> Iterator[Row]:
    """MME_Benchmark_release_version: for each subtask a folder of pictures and, of the same names, texts of two lines: a question, a
    tab, Yes or No. Five subtasks have both in folders of their own, images and questions_answers_YN. Other texts are not read."""
    lying: dict[str, list[str]] = {}
    for key in folder.names():
        if key.lower().endswith(SUFFIXES):
            lying.setdefault(str(PurePosixPath(key).with_suffix("")), []).append(key)
    for name in folder.names("*.txt"):
        path = PurePosixPath(name)
        apart = path.parent.name == QUESTIONS
        home = path.parent.parent if apart else path.parent
        if home.name in subtasks:
            place = home / IMAGES / path.stem if apart else home / path.stem
            yield from _mme(folder, name, home.name, lying.get(str(place), []))


def _mme(folder: Folder, name: str, subtask: str, pictures: list[str]) -> Iterator[Row]:
    for number, line in enumerate(folder.text(name).splitlines(), 1):
        if not line.strip():
            continue
        question, tab, answer = line.strip().rpartition("\t")
        row = Row(folder, name, number, {"question": question, "answer": answer})
        if not tab:
            raise row.problem(f"{line[:40]!r} is no question, tab and Yes or No")
        if len(pictures) != 1:
            there = ", ".join(pictures) or "none"
            raise row.problem(
                f"one picture must have the name {PurePosixPath(name).stem} beside it, and there is {there}"
            )
        (picture,) = pictures
        yield _with(row, category=subtask, question_id=f"{subtask}/{PurePosixPath(picture).name}", image=picture)


def _by_id(folder: Folder, pattern: str, field: str) -> Iterator[Row]:
    """Rows of a JSON file that is an object of them by id, with the id in `field`."""
    (name, *_) = folder.find(pattern)
    found = folder.json(name)
    if not isinstance(found, dict):
        raise FileProblem(f"{folder.store.uri(name)} must be an object of problems by their number, as it is released.")
    for number, (key, values) in enumerate(found.items(), 1):
        yield _with(folder.row(name, number, values), **{field: key})


def _either(folder: Folder, name: str) -> list[str]:
    return folder.names(name) + folder.names(f"*/{name}")


def _below(name: str, picture: str) -> str:
    """A picture's key, from its path beside the file that names it."""
    return str(PurePosixPath(name).parent / picture)


def _with(row: Row, **values: Any) -> Row:
    merged: Mapping[str, Any] = {**row.values, **values}
    return Row(row.folder, row.name, row.number, merged)
