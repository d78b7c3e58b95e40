"""The exclusion set, opened from the command line."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from ratchet.cli import app as cli
from ratchet.filter.excluded import read_excluded
from ratchet.rounds import write_round
from tests.unit.filter.cases import group
from tests.unit.filter.test_stage import filtered
from tests.unit.verify import staging


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Loop test with a filtered round 0, and a round 1 that only began."""
    store = staging.store_at(tmp_path)
    hard = [group("---", n, difficulty=0.5, question=f"what is it [{n}] ?") for n in range(3)]
    filtered(store, [*hard, group("+-", 7), group("+-", 7), group("??", 8)])
    opened = staging.round_at(store)
    for number in (0, 1):
        write_round(store, opened.model_copy(update={"number": number}))
    monkeypatch.setenv("RATCHET_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "store")
    return tmp_path


def said(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["excluded", "--loop", "test", *arguments], env={"COLUMNS": "300"})
    text = f"{result.output} {result.exception or ''}"
    return result.exit_code, " ".join(text.split())


def test_it_shows_reason_question_and_pass_rate_of_the_last_filtered_round(root: Path) -> None:
    code, words = said()
    assert code == 0
    assert "round 0 dropped 1 duplicate, 3 too_hard, 1 unscored" in words
    assert "too_hard 0.00 0.50 count what is it [1] ?" in words
    assert "duplicate 0.50 count how many ?" in words


def test_one_reason_and_a_number_of_rows_can_be_chosen(root: Path) -> None:
    code, words = said("--reason", "too_hard", "-n", "2")
    assert (code, words.count("what is it"), "how many" in words) == (0, 2, False)
    assert "2 of 5; -n 0 shows all" in words
    _, text = said("--json", "-n", "0")
    assert [row["reason"] for row in orjson.loads(text)] == ["too_hard"] * 3 + ["duplicate", "unscored"]


def test_what_there_is_not_is_named_with_what_there_is(root: Path) -> None:
    code, words = said("--reason", "too_eazy")
    assert code == 2
    assert "dropped nothing as too_eazy; its reasons are: duplicate, too_hard, unscored" in words
    code, words = said("--round", "1")
    assert code == 1
    assert "round 1 of loop test" in words
    assert "`ratchet filter --loop test` filters the last" in words


def test_the_set_is_read_in_the_order_of_the_rows(root: Path) -> None:
    store = staging.store_at(root / "more")
    made = filtered(store, [group("--", 1), group("+-", 2), group("??", 3), group("--", 4)], shard_size=1)
    assert [row.reason for row in read_excluded(store, made)] == ["too_hard", "unscored", "too_hard"]
    assert len(list(read_excluded(store, made, "too_hard"))) == 2
