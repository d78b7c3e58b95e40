"""Labels from people: what a line may be, and that they stand in for the prompts' own rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ratchet.errors import VerifierError
from ratchet.recipe import VerifyConfig
from ratchet.recipe.audit import AuditConfig
from ratchet.verify import VERIFIERS
from ratchet.verify.audit.auditing import audit
from ratchet.verify.audit.labels import labelled, read_labels
from ratchet.verify.panel import Panel
from tests import rows

PROMPTS = [rows.prompt(number) for number in range(4)]


def file_of(folder: Path, *lines: object) -> Path:
    path = folder / "labels.jsonl"
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines))
    return path


def label(number: int, text: str, right: bool, **more: str) -> dict[str, object]:
    return {"prompt_id": PROMPTS[number].id, "text": text, "right": right, **more}


def test_a_rule_is_measured_by_what_people_say_of_answers(tmp_path: Path) -> None:
    path = file_of(
        tmp_path, label(0, "3", True), label(0, "three", False), label(1, "4", True), label(1, "5", False), ""
    )
    slice_ = labelled(PROMPTS, read_labels(path), AuditConfig(), 0, "set")
    found = audit(Panel(None, VERIFIERS), slice_, VerifyConfig()).of("numeric")
    assert found is not None
    assert not found.is_truth
    one = found.answers
    assert (one.true_positives, one.false_positives, one.false_negatives, one.true_negatives) == (1, 1, 1, 1)


def test_authors_are_the_models_whose_answers_these_are(tmp_path: Path) -> None:
    path = file_of(tmp_path, label(0, "3", True, author="seed v1"), label(0, "4", False))
    assert labelled(PROMPTS, read_labels(path), AuditConfig(), 0, "set").models == ("seed v1", "unknown")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1 of .*: line: Invalid JSON"),
        ('{"prompt_id": "a", "text": "3"}', "line 1 of .*: right: Field required"),
        ('{"prompt_id": "a", "text": "3", "right": "perhaps"}', "line 1 of .*: right: "),
        ('{"prompt_id": "a", "text": "3", "right": true, "by": "me"}', "line 1 of .*: by: Extra inputs"),
        ("", "has no labels; write one JSON object a line"),
    ],
)
def test_a_line_that_is_no_label_is_named_with_what_it_must_be(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(VerifierError, match=said):
        read_labels(file_of(tmp_path, line))


def test_a_label_of_another_split_is_refused_and_not_looked_up(tmp_path: Path) -> None:
    path = file_of(tmp_path, label(0, "3", True), {"prompt_id": "elsewhere", "text": "3", "right": True})
    with pytest.raises(
        VerifierError, match="1 of 2 labelled prompts are not in the validation split of set, such as elsewhere"
    ):
        labelled(PROMPTS, read_labels(path), AuditConfig(), 0, "set")


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(VerifierError, match="cannot be read"):
        read_labels(tmp_path / "none.jsonl")
