"""What is alike in all suites of multiple choice and maths: their rows become questions, and a wrong file is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.evaluate.suites import FileProblem, suite
from ratchet.evaluate.suites.options import LETTERS
from tests.unit.evaluate.suites.samples import SAMPLES, Sample, figures, loaded

EACH = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)


@EACH
def test_a_row_of_the_published_file_becomes_a_question(sample: Sample, tmp_path: Path) -> None:
    first = loaded(sample.suite, sample.write(tmp_path))[0]
    assert (first.text, first.reference, first.category) == (sample.text, sample.reference, sample.category)
    assert len(first.pictures) == sample.pictures


@EACH
def test_references_are_right_and_silence_is_wrong_and_unparsed(sample: Sample, tmp_path: Path) -> None:
    questions = loaded(sample.suite, sample.write(tmp_path))
    right = figures(sample.suite, questions, lambda q: q.reference or "")
    none = figures(sample.suite, questions, lambda q: "")
    primary = suite(sample.suite).primary
    assert (right[primary], right["unparsed"]) == (1.0, 0.0)
    assert (none[primary], none["unparsed"]) == (0.0, 1.0)


@EACH
def test_a_missing_file_is_told_with_what_was_looked_for(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(FileProblem, match=r"has no file .*; there are: notes.txt"):
        loaded(sample.suite, tmp_path)


@EACH
def test_a_missing_column_is_told_with_file_and_row(sample: Sample, tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != sample.needed} for row in sample.rows]
    with pytest.raises(FileProblem, match=rf"{sample.file}, row 1: no .*{sample.needed}"):
        loaded(sample.suite, sample.write(tmp_path, rows))


@pytest.mark.parametrize(
    "sample",
    [s for s in SAMPLES.values() if s.wrong is not None],
    ids=[n for n, s in SAMPLES.items() if s.wrong is not None],
)
def test_a_reference_that_is_no_option_is_told(sample: Sample, tmp_path: Path) -> None:
    rows = sample.changed(**{sample.answer: sample.wrong})
    with pytest.raises(
        FileProblem, match=rf"{sample.file}, row 1: {sample.answer} is '.*', which is none of the options A"
    ):
        loaded(sample.suite, sample.write(tmp_path, rows))


@pytest.mark.parametrize("sample", [s for s in SAMPLES.values() if s.key], ids=[n for n, s in SAMPLES.items() if s.key])
def test_a_key_that_comes_twice_is_told(sample: Sample, tmp_path: Path) -> None:
    folder = sample.write(tmp_path, [*sample.rows, sample.rows[0]])
    with pytest.raises(FileProblem, match=rf"row {len(sample.rows) + 1}: its key .* is that of .*row 1 already"):
        loaded(sample.suite, folder)


def test_the_samples_cover_the_letters() -> None:
    assert {s.reference for s in SAMPLES.values() if s.wrong is not None} <= {*LETTERS}
