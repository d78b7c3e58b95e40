"""VL-RewardBench: each pair both ways through the pairwise verifier's prompt, and any verifier on the same pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ratchet.evaluate.preferences import preferences
from ratchet.evaluate.suites import FileProblem, Item, Question
from ratchet.records import Group, ImageRef, Message, Prompt, Verdict
from tests.benchmarks import encoded, figures, mark_of, parquet, questions

ROW = {
    "id": "RLAIF-V-17", "query": "How many people are there?", "response": ["Two people walk.", "Three men and a dog."],
    "image": encoded(), "human_ranking": [0, 1], "models": ["A", "B"], "judge": "", "rationale": "",
    "query_source": "RLAIF-V", "ground_truth": "",
}  # fmt: skip
TURNED = {**ROW, "id": "wildvision-3", "human_ranking": [1, 0]}
SOLVED = {**ROW, "id": "mathverse_55", "response": ["x = 2", "x = 3"]}


def folder(where: Path, *rows: dict[str, Any]) -> Path:
    return parquet(where, "data/test-00000-of-00001.parquet", rows)


def test_each_pair_is_asked_in_both_orders(tmp_path: Path) -> None:
    one, other = questions("vl_rewardbench", folder(tmp_path, ROW))
    assert (one.reference, other.reference, one.unit) == ("first", "second", other.unit)
    assert (one.category, one.facts["better"]) == ("hallucination", "Two people walk.")
    assert one.text.index("Two people") < one.text.index("Three men")
    assert other.text.index("Three men") < other.text.index("Two people")
    assert "Reply with one word: first, second or same." in one.text


def test_the_ranking_says_which_is_better_and_the_id_the_group(tmp_path: Path) -> None:
    found = questions("vl_rewardbench", folder(tmp_path, TURNED, SOLVED))
    assert [one.facts["better"] for one in found[::2]] == ["Three men and a dog.", "x = 2"]
    assert [one.category for one in found[::2]] == ["general", "reasoning"]


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"response": ["one"]}, "response must be a list of two texts"),
        ({"human_ranking": [1, 1]}, r"human_ranking is \[1, 1\], and must be"),
        ({"response": ["a", "a"]}, "both responses are the same text"),
    ],
)
def test_a_wrong_row_is_told(tmp_path: Path, changed: dict[str, Any], rule: str) -> None:
    with pytest.raises(FileProblem, match=f"row 1: {rule}"):
        questions("vl_rewardbench", folder(tmp_path, {**ROW, **changed}))


def test_what_wins_in_one_order_alone_has_not_won(tmp_path: Path) -> None:
    asked = questions("vl_rewardbench", folder(tmp_path, ROW, TURNED, SOLVED))
    found = figures("vl_rewardbench", asked, lambda _: "first")
    assert (found["pair_accuracy"], found["accuracy"], found["inconsistent"], found["pairs"]) == (0.0, 0.5, 1.0, 3)
    found = figures("vl_rewardbench", asked, lambda one: str(one.reference))
    assert (found["pair_accuracy"], found["accuracy"], found["macro"]) == (1.0, 1.0, 1.0)


def test_the_macro_mean_weighs_groups_alike(tmp_path: Path) -> None:
    asked = questions("vl_rewardbench", folder(tmp_path, ROW, {**ROW, "id": "rlhf-2"}, SOLVED))
    found = figures("vl_rewardbench", asked, lambda one: str(one.reference) if one.category == "reasoning" else "same")
    assert (found["accuracy"], found["macro"]) == (pytest.approx(1 / 3, abs=1e-6), 0.5)


@pytest.mark.parametrize(
    ("reply", "score", "said"),
    [
        ("First.", 1.0, "first"), ("same", 0.0, "same"), ("hm", 0.0, None),
        ("<think>second</think>\nVerdict: first", 1.0, "first"),
    ],
)  # fmt: skip
def test_a_reply_is_read_as_the_verifier_reads_it(tmp_path: Path, reply: str, score: float, said: str | None) -> None:
    one, _ = questions("vl_rewardbench", folder(tmp_path, ROW))
    found = mark_of("vl_rewardbench", one, reply)
    assert (found.score, found.said) == (score, said)


def item(question: Question) -> Item:
    """As the suite is prepared."""
    from ratchet import canonical

    picture = ImageRef(sha256="0" * 64, media_type="image/png", width=8, height=8)
    prompt = Prompt.make(
        messages=[Message(role="user", content=question.text)],
        images=[picture],
        skill=question.category,
        source="suite",
    )
    return Item(
        key=question.key, prompt=prompt, unit=question.unit, facts=canonical.dumps(dict(question.facts)).decode()
    )


class Shortest:
    """A verifier that likes short answers, and has no opinion of equations."""

    name, version = "shortest", "1"

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        return [[self._verdict(one.text) for one in group.completions] for group in groups]

    def _verdict(self, text: str) -> Verdict:
        score = None if "=" in text else 1 / len(text)
        return Verdict(verifier=self.name, version=self.version, score=score, passed=None, reason="short")

    def self_check(self, prompt: Prompt) -> str | None:
        return None


def test_any_verifier_is_scored_on_the_same_pairs(tmp_path: Path) -> None:
    asked = questions(
        "vl_rewardbench", folder(tmp_path, ROW, TURNED, SOLVED, {**ROW, "id": "v-1", "response": ["ab", "cd"]})
    )
    found = preferences(map(item, asked), Shortest())  # type: ignore[arg-type]
    # The short one is better once and worse once; one pair ties, of one it has no opinion.
    assert (found["accuracy"], found["ties"], found["pairs"], found["unscored"]) == (
        0.5,
        pytest.approx(1 / 3, abs=1e-6),
        4,
        1,
    )
    assert found["categories"]["hallucination"]["accuracy"] == 1.0
    assert found["categories"]["reasoning"]["accuracy"] is None
