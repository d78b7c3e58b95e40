"""Pairs and verdicts become rows: the columns, the order, what is left out, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ratchet.errors import TrainError
from ratchet.recipe.strategies.guided import CaptionedConfig
from ratchet.records import Completion, Group, ImageRef, Message, Negative, Pair, Part, Prompt, Shown
from ratchet.train.preference.rows import caption_in, pair_rows, unpaired_rows
from tests.unit.train.builders import completion, recipe_of

DPO = recipe_of("dpo")
BOTH = recipe_of("dpo", filter={"pairs": {"images": True}}, generate={"negatives": [{"kind": "crop", "use": "input"}]})
SYSTEM = {"role": "system", "content": "be brief"}


def ref(letter: str) -> ImageRef:
    return ImageRef(sha256=letter * 64, media_type="image/png", width=48, height=48)


def asked(question: str, *pictures: str) -> Prompt:
    return Prompt.make(
        messages=(Message(role="system", content="be brief"), Message(role="user", content=question)),
        images=[ref(p) for p in pictures],
        skill="count",
        source="test",
        reference="2",
    )


ONE = asked("how many red circles ?", "a")
TWO = asked("which picture has more ?", "b", "c")


def bad_input(index: int, text: str, picture: str) -> Completion:
    """The right answer 0 beside a bad picture."""
    negative = Negative(kind="crop", use="input", seed=1, parent="completion:0")
    shown = Shown(messages=ONE.messages, images=(ref(picture),))
    return completion(index, text, kept=True).model_copy(update={"negative": negative, "input": shown, "parent": 0})


def pair(chosen: int, rejected: int, kind: Any = "text") -> Pair:
    return Pair(chosen=chosen, rejected=rejected, kind=kind, margin=1.0, reason="score")


def grouped(completions: Sequence[Completion], *pairs: Pair, prompt: Prompt = ONE) -> Group:
    return Group(prompt=prompt, completions=tuple(completions), pairs=pairs, uses=("preference",))


def said(row: dict[str, Any], *columns: str) -> list[str]:
    return [row[column][0]["content"] for column in columns]


RIGHT, WRONG = completion(0, "2", kept=True), completion(1, "3", kept=False)
INPUTS = grouped(
    [RIGHT, WRONG, bad_input(2, "2", "d"), bad_input(3, "2", "e")], pair(0, 1), pair(0, 2, "image"), pair(0, 3, "image")
)


def test_a_pair_becomes_a_row_with_both_pictures() -> None:
    group = grouped([completion(0, "first"), completion(1, "second")], pair(1, 0), prompt=TWO)
    assert pair_rows([group], DPO) == [
        {
            "images": ["b" * 64, "c" * 64],
            "prompt": [SYSTEM, {"role": "user", "content": "which picture has more ?"}],
            "chosen": [{"role": "assistant", "content": "second"}],
            "rejected": [{"role": "assistant", "content": "first"}],
        }
    ]


def test_groups_for_other_uses_give_no_rows() -> None:
    group = grouped([RIGHT, WRONG], pair(0, 1)).model_copy(update={"uses": ("rl",)})
    assert pair_rows([group], DPO) == []


def test_a_pair_that_names_no_completion_is_refused() -> None:
    with pytest.raises(TrainError, match=r"pair \(0, 2\), but completions \[0\]"):
        pair_rows([grouped([RIGHT], pair(0, 2))], DPO)


def test_pairs_name_completions_by_index_not_by_place() -> None:
    (row,) = pair_rows([grouped([completion(7, "2"), completion(3, "3")], pair(7, 3))], DPO)
    assert said(row, "chosen", "rejected") == ["2", "3"]


def test_a_pair_of_inputs_has_one_text_and_two_pictures() -> None:
    text, first, second = pair_rows([INPUTS], BOTH)
    assert (said(text, "chosen", "rejected"), text["rejected_images"]) == (["2", "3"], ["a" * 64])
    for row, letter in ((first, "d"), (second, "e")):
        assert said(row, "chosen", "rejected") == ["2", "2"]
        assert (row["images"], row["rejected_images"]) == (["a" * 64], [letter * 64])
    assert "bad_images" not in text


def test_with_a_conditional_term_pairs_of_inputs_lend_their_pictures_to_pairs_of_texts() -> None:
    recipe = recipe_of("dpo", filter=BOTH.filter, generate=BOTH.generate, pictures={"conditional": 1})
    three = INPUTS.model_copy(
        update={
            "completions": (*INPUTS.completions, completion(4, "4"), completion(5, "5")),
            "pairs": (*INPUTS.pairs, pair(0, 4), pair(0, 5)),
        }
    )
    rows = pair_rows([three], recipe)
    assert [(said(row, "rejected"), row["bad_images"]) for row in rows] == [
        (["3"], ["d" * 64]),
        (["4"], ["e" * 64]),
        (["5"], ["d" * 64]),
    ]


def test_without_pairs_of_texts_a_pair_of_inputs_is_a_row_and_needs_no_other_bad_picture() -> None:
    recipe = recipe_of("dpo", filter=BOTH.filter, generate=BOTH.generate, pictures={"conditional": 1})
    rows = pair_rows([INPUTS.model_copy(update={"pairs": INPUTS.pairs[1:]})], recipe)
    assert [(row["rejected_images"], row["bad_images"]) for row in rows] == [(["d" * 64], []), (["e" * 64], [])]


def test_a_row_without_a_bad_picture_says_so() -> None:
    (row,) = pair_rows([grouped([RIGHT, WRONG], pair(0, 1))], recipe_of("dpo", pictures={"noised": 0.5}))
    assert row["bad_images"] == []


def test_equal_sides_are_refused_with_numbers() -> None:
    same = grouped([RIGHT, completion(1, "2", kept=False)], pair(0, 1))
    with pytest.raises(
        TrainError, match=r"1 of 2 pairs have the same text beside the same picture .*\(first: row [01]\)"
    ):
        pair_rows([same, grouped([RIGHT, WRONG], pair(0, 1), prompt=TWO)], DPO)


def test_a_bad_picture_that_is_the_good_one_is_refused_with_numbers() -> None:
    spared = [RIGHT, WRONG, bad_input(2, "2", "a")]
    with pytest.raises(TrainError, match="1 of 1 pairs have the same text beside the same picture"):
        pair_rows([grouped(spared, pair(0, 2, "image"))], BOTH)
    recipe = recipe_of("dpo", filter=BOTH.filter, generate=BOTH.generate, pictures={"conditional": 1})
    with pytest.raises(TrainError, match=r"1 of 1 rows have a bad picture that is their good one \(first: row 0\)"):
        pair_rows([grouped(spared, pair(0, 1), pair(0, 2, "image"))], recipe)


def test_a_pair_of_inputs_without_its_bad_picture_is_refused() -> None:
    with pytest.raises(TrainError, match="completion 1 records no bad picture"):
        pair_rows([grouped([RIGHT, WRONG], pair(0, 1, "image"))], BOTH)


CAPTIONED = CaptionedConfig(caption="list the objects .", instruction="{caption} {question}", captions="k")
SENA = recipe_of("dpo", generate={"strategy": CAPTIONED.model_dump()}, pictures={"content": 1})


def captioned(index: int, text: str, caption: str, *notes: Part) -> Completion:
    shown = Shown(messages=(Message(role="user", content=f"{caption} how many red circles ?"),), images=ONE.images)
    return completion(index, text).model_copy(update={"input": shown, "notes": notes})


def test_the_caption_of_the_chosen_answer_is_content() -> None:
    (row,) = pair_rows([grouped([captioned(0, "2", "a red circle"), WRONG], pair(0, 1))], SENA)
    assert row["content_prompt"] == [SYSTEM, {"role": "user", "content": "list the objects ."}]
    assert row["content"] == [{"role": "assistant", "content": "a red circle"}]


@pytest.mark.parametrize("chosen", [RIGHT, captioned(0, "2", "a red", Part(name="clipped_context", score=1.0))])
def test_without_a_whole_caption_there_is_no_content(chosen: Completion) -> None:
    (row,) = pair_rows([grouped([chosen, WRONG], pair(0, 1))], SENA)
    assert (row["content_prompt"], row["content"]) == ([], [])


def test_a_caption_is_read_back_from_what_was_shown() -> None:
    config = CaptionedConfig(instruction="Seen: {caption}. Now: {question}")
    assert caption_in("Seen: a dog. Now: how many ?", "how many ?", config) == "a dog"
    assert caption_in("Seen: a dog. Now: what ?", "how many ?", config) is None


KTO = recipe_of("kto")


def test_verdicts_become_labelled_rows() -> None:
    group = Group(prompt=ONE, completions=(WRONG, completion(5, "2", kept=True)), uses=("sft",))
    bad, good = unpaired_rows([group], KTO)
    assert (said(bad, "completion"), bad["label"]) == (["3"], False)
    assert good == {
        "images": ["a" * 64],
        "prompt": [SYSTEM, {"role": "user", "content": "how many red circles ?"}],
        "completion": [{"role": "assistant", "content": "2"}],
        "label": True,
    }


def test_answers_without_a_verdict_or_that_were_cut_or_saw_a_bad_picture_have_no_row() -> None:
    cut = completion(3, "4 4 4", kept=False).model_copy(update={"finish_reason": "length"})
    blind = completion(4, "5", kept=False).model_copy(update={"input": Shown(messages=ONE.messages, images=())})
    group = Group(prompt=ONE, completions=(RIGHT, WRONG, completion(2, "8"), cut, blind, bad_input(5, "9", "d")))
    assert [said(row, "completion") for row in unpaired_rows([group], KTO)] == [["2"], ["3"]]


def test_a_text_counts_once_and_is_not_bad_where_it_passed() -> None:
    twice = (RIGHT, WRONG, completion(2, "3", kept=False), completion(3, "2", kept=False))
    rows = unpaired_rows([Group(prompt=ONE, completions=twice)], KTO)
    assert [(said(row, "completion"), row["label"]) for row in rows] == [(["2"], True), (["3"], False)]


def test_dropped_groups_teach_nothing() -> None:
    kept = Group(prompt=TWO, completions=(RIGHT, WRONG))
    dropped = Group(prompt=ONE, completions=(RIGHT, WRONG), reason="too_hard")
    assert len(unpaired_rows([kept, dropped], KTO)) == 2


@pytest.mark.parametrize(("one", "counts"), [(RIGHT, "2 right and 0 wrong"), (WRONG, "0 right and 2 wrong")])
def test_one_sided_verdicts_are_refused_with_numbers(one: Completion, counts: str) -> None:
    groups = [Group(prompt=prompt, completions=(one,)) for prompt in (ONE, TWO)]
    with pytest.raises(TrainError, match=f"2 answers have a verdict, {counts}; kto needs both"):
        unpaired_rows(groups, KTO)
