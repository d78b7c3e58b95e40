from __future__ import annotations

import pytest

from ratchet.tinyworld.collected import Collected, collect_all, table
from ratchet.tinyworld.seed import SEED_DIR

NAMES = ("rft", "povid", "image-dpo", "vision-sr1", "ask-direct")


@pytest.fixture(scope="module")
def found() -> dict[str, Collected]:
    return collect_all(list(NAMES), SEED_DIR, 18)


def test_the_study_counts_answers_and_negatives_apart(found: dict[str, Collected]) -> None:
    assert found["rft"].answers == 18 * 8
    assert found["rft"].negatives == 0
    povid = found["povid"]
    assert povid.answers == 18 * 4
    assert 18 <= povid.negatives <= 36, "an answer that names no fact gets no wrong one"
    assert 0 < povid.wrong <= povid.negatives


def test_bad_inputs_of_right_answers_are_no_bad_answers(found: dict[str, Collected]) -> None:
    assert found["image-dpo"].bad_inputs == found["image-dpo"].manifest.counts["negatives"] > 0
    assert found["image-dpo"].negatives == 0


def test_answers_without_the_picture_are_left_out(found: dict[str, Collected]) -> None:
    made = found["vision-sr1"]
    assert made.manifest.counts["completions"] == 2 * made.answers == 2 * 18 * 8


def test_a_recipe_whose_rows_are_all_refused_says_so(found: dict[str, Collected]) -> None:
    asked = found["ask-direct"]
    assert (asked.answers, asked.right) == (0, None)
    assert asked.refused == asked.rows > 0
    assert table(found).splitlines()[-1].split("|")[-2].strip() == f"all {asked.rows}"


def test_the_table_sets_every_recipe_beside_plain_sampling(found: dict[str, Collected]) -> None:
    lines = table(found).splitlines()
    assert [line.split("`")[1] for line in lines[2:]] == list(NAMES)
    assert len({line.count("|") for line in lines}) == 1
    cells = [cell.strip() for cell in lines[3].split("|")]
    right, same = (float(cell.rstrip("%")) for cell in cells[3:5])
    assert float(cells[5].split()[0]) == pytest.approx(right - same, abs=0.11)
    assert " to " in cells[5]
    assert found["rft"].right == pytest.approx(sum(found["rft"].rates.values()) / 18)
