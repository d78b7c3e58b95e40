"""Labels: kept for ever, beside the verdicts, and counted in audits where they may be."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from threading import Thread

import pytest

from ratchet.auditing import AuditOptions, audit_loop
from ratchet.errors import ArtifactError, VerifierError
from ratchet.review import Label, Labels
from ratchet.review.audited import labels_for_audit
from ratchet.review.doubts import queue
from ratchet.review.labels import agreed, standing
from ratchet.review.telling import tables, told
from ratchet.store import open_store
from tests.fenced import Fenced
from tests.program import program
from tests.unit.loops import LOOP
from tests.unit.review.made import reviewed_loop

PACKAGE = Path(__file__).resolve().parents[3] / "ratchet"
STAGES = ("begin", "generate", "verify", "filter", "train", "evaluate", "registry", "finish", "weakness", "alarms")


def label(choice="right", author="ann", text="a", **fields) -> Label:
    given = {"round": 1, "split": "pool", "prompt_id": "p", "model": "m", "why": ("disagree",), "verdict": True}
    return Label(**{**given, "text": text, "choice": choice, "author": author, **fields})


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "s"))


def test_labels_only_grow_and_the_last_of_an_author_stands(store):
    labels = Labels(store, LOOP)
    assert [labels.add(label(choice)) for choice in ("right", "wrong", "unsure")] == [1, 2, 3]
    labels.add(label("wrong", author="bob"))
    assert [one.choice for one in labels.of("pool")] == ["right", "wrong", "unsure", "wrong"]
    assert [(one.author, one.choice) for one in standing(labels.of("pool"))] == [("ann", "unsure"), ("bob", "wrong")]
    assert all(one.at.tzinfo is not None for one in labels.of("pool"))


def test_many_who_label_at_once_lose_nothing(store):
    def some(author: str) -> None:
        for number in range(5):
            Labels(store, LOOP).add(label(author=author, text=str(number)))

    threads = [Thread(target=some, args=(f"a{n}",)) for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(Labels(store, LOOP).of("pool")) == 20


def test_what_people_differ_on_or_are_unsure_of_says_nothing_in_an_audit():
    given = [
        label("right", "ann", "a"), label("wrong", "bob", "a"),
        label("right", "ann", "b"), label("unsure", "bob", "b"),
        label("unsure", "ann", "c"),
        label("wrong", "ann", "d"), label("wrong", "bob", "d"),
    ]  # fmt: skip
    assert [(one.text, one.right) for one in agreed(given)] == [("b", True), ("d", False)]


def test_the_same_answer_in_two_rounds_is_one_answer():
    given = [
        label("right", "ann", "a", round=1), label("wrong", "bob", "a", round=2),
        label("right", "ann", "b", round=1), label("wrong", "ann", "b", round=2),
        label("right", "ann", "c", round=1), label("right", "bob", "c", round=2),
        label("right", "ann", "c", round=1, prompt_id="q"),
    ]  # fmt: skip
    found = [(one.prompt_id, one.text, one.right) for one in agreed(given)]
    assert found == [("p", "b", False), ("p", "c", True), ("q", "c", True)]


def test_a_label_beside_a_verdict_is_told_to_differ(store):
    labels = Labels(store, LOOP)
    labels.add(label("wrong", override=True, note="look at the picture", said={"exact": True, "votes": None}))
    labels.add(label("right", text="b", said={"exact": True}))
    labels.add(label("wrong", split="holdout", verdict=False))
    found = told(labels)
    assert [one["disagrees"] for one in found["pool"]] == [True, False]
    assert [one["choice"] for one in found["held"]] == ["wrong"]
    (fare,) = [one for one in found["verifiers"] if one["verifier"] == "exact"]
    assert (fare["n"], fare["agree"], fare["passed_wrong"], fare["failed_right"]) == (2, 1, 1, 0)
    rows = [row for table in tables(labels) for row in table.rows]
    assert any("wrong (override) *" in row for row in rows)


def test_what_another_program_wrote_is_named(store):
    store.put(f"loops/{LOOP}/labels/pool/0001.json", b'{"key": null, "value": {"choice": "maybe"}}')
    with pytest.raises(ArtifactError, match="label 1 below"):
        Labels(store, LOOP).of("pool")


def test_no_stage_and_nothing_that_makes_data_can_read_labels():
    """Only the audit that a person asks for by `--people`, the report's page and the review itself know of the package."""
    knowing = set()
    for path in PACKAGE.rglob("*.py"):
        tree = ast.walk(ast.parse(path.read_text()))
        names = [n.module or "" for n in tree if isinstance(n, ast.ImportFrom)]
        if any(name.startswith("ratchet.review") for name in names):
            knowing.add(path.relative_to(PACKAGE).as_posix())
    assert {name for name in knowing if not name.startswith("review/")} == {
        "auditing.py",
        "cli/reviewing.py",
        "report/people.py",
    }
    for stage in STAGES:
        assert not [p for p in (PACKAGE / stage).rglob("*.py") if "/labels/" in p.read_text()], stage


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    settings, store = reviewed_loop(tmp_path_factory.mktemp("reviewed"))
    doubts = [one for one in queue(store, LOOP, flips=True)[0] if one.why != ("random",)]
    for one in doubts:
        fields = {"round": 1, "split": one.split, "prompt_id": one.prompt.id, "model": one.model, "why": one.why}
        choice = "wrong" if one.text == "voted" else "right"
        Labels(store, LOOP).add(label(choice, text=one.text, verdict=one.verdict, **fields))
    return settings, doubts


def test_holdout_labels_reach_no_audit_and_the_holdout_is_not_read(made):
    settings, doubts = made
    held = {one.prompt.id for one in doubts if one.split == "holdout"}
    assert len(Labels(open_store(settings.root), LOOP).of("held")) == 1
    labels, prompts, _ = labels_for_audit(Fenced(settings.root), LOOP)
    assert len(labels) == len(prompts) == 3
    assert not held & {*labels, *(p.id for p in prompts)}


def test_an_audit_takes_peoples_labels_for_the_truth(made):
    settings, _ = made
    found = audit_loop(settings, AuditOptions(LOOP, people=True))
    assert (found.truth, found.split, found.prompts, found.answers) == ("labels", "pool", 3, 3)
    votes = found.of("votes")
    assert votes is not None
    assert votes.answers.n == 3


def test_an_audit_of_a_loop_that_nobody_labelled_says_how(tmp_path):
    settings, _ = reviewed_loop(tmp_path)
    with pytest.raises(
        VerifierError, match=r"nobody has labelled an answer of loop mine yet; `ratchet review --loop mine`"
    ):
        audit_loop(settings, AuditOptions(LOOP, people=True))


def test_labels_that_do_not_count_in_an_audit_are_told(tmp_path):
    settings, store = reviewed_loop(tmp_path)
    Labels(store, LOOP).add(label(split="holdout"))
    with pytest.raises(
        VerifierError, match=r"none of .* counts in an audit: 1 of holdout items, which reach no audit\. "
    ):
        audit_loop(settings, AuditOptions(LOOP, people=True))
    Labels(store, LOOP).add(label("unsure"))
    with pytest.raises(
        VerifierError, match=r"audit: 1 of the pool, on which people differ or are unsure; 1 of holdout"
    ):
        audit_loop(settings, AuditOptions(LOOP, people=True))
    Labels(store, LOOP).add(label("right", text="b", round=9))
    with pytest.raises(VerifierError, match=r"verdicts of the rounds in which people labelled 1 answers .* are gone"):
        audit_loop(settings, AuditOptions(LOOP, people=True))


def test_the_command_lists_labels(made, monkeypatch, capsys):
    for name, value in made[0].environment().items():
        monkeypatch.setenv(name, value)
    ratchet = program(monkeypatch, capsys)
    code, out, _ = ratchet("review", "--loop", LOOP, "--list")
    assert code == 0
    assert "Labels of holdout items, kept apart" in out
    code, out, _ = ratchet("review", "--loop", LOOP, "--list", "--json")
    assert (code, len(json.loads(out)["pool"])) == (0, 3)
    assert ratchet("review", "--loop", LOOP, "--json")[0] == 2
    assert ratchet("verify", "audit", "--loop", LOOP, "--people", "--labels", "x")[0] == 2
