from __future__ import annotations

import pytest

from ratchet.tinyworld.collected import Collected, collect_all, table
from ratchet.tinyworld.seed import SEED_DIR


@pytest.fixture(scope="module")
def found() -> dict[str, Collected]:
    return collect_all(["rft", "povid", "image-dpo"], SEED_DIR, 18)


def test_the_study_counts_answers_and_negatives_apart(found: dict[str, Collected]) -> None:
    assert found["rft"].answers == 18 * 8
    assert found["rft"].negatives == 0
    povid = found["povid"]
    assert povid.answers == 18 * 4
    assert 18 <= povid.negatives <= 36, "an answer that names no fact gets no wrong one"
    assert 0 < povid.wrong <= povid.negatives


def test_bad_inputs_of_right_answers_are_no_bad_answers(found: dict[str, Collected]) -> None:
    assert found["image-dpo"].manifest.counts["negatives"] > 0
    assert found["image-dpo"].negatives == 0


def test_the_table_sets_every_recipe_beside_plain_sampling(found: dict[str, Collected]) -> None:
    lines = table(found).splitlines()
    assert [line.split("`")[1] for line in lines[2:]] == ["rft", "povid", "image-dpo"]
    assert len({line.count("|") for line in lines}) == 1
    assert " to " in lines[3].split("|")[4]
