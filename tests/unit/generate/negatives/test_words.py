"""Cut answers and misleading questions."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ratchet.tinyworld
from ratchet.errors import SamplingError
from ratchet.generate.negatives.words import TEMPLATES, misleading, spans
from ratchet.tinyworld.lexicon import MISLEADING


@given(st.text(max_size=60), st.integers(0, 2**60), st.floats(0.01, 1))
def test_a_cut_answer_is_its_prefix_and_what_was_removed(text: str, seed: int, share: float) -> None:
    prefix, removed = spans(text, seed, share)
    assert (prefix, removed) == spans(text, seed, share)
    assert prefix + removed == text
    if len(text.split()) > 1:
        assert len(prefix.split()) + len(removed.split()) == len(text.split())
        assert prefix.split()
        assert removed.split()
    else:
        assert prefix == ""


@given(st.text("ab \n", max_size=40), st.integers(0, 2**60))
def test_a_cut_is_before_the_blanks_of_the_first_word_that_goes_and_behind_a_line_end(text: str, seed: int) -> None:
    prefix, removed = spans(text, seed, 0.5)
    if prefix:
        assert not prefix.endswith(" ")
        assert not removed.startswith("\n")
        assert prefix[-1] == "\n" or removed[0] == " "


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_about_the_share_is_removed(share: float) -> None:
    text = " ".join(map(str, range(40)))
    lengths = [len(spans(text, seed, share)[1].split()) / 40 for seed in range(300)]
    assert fmean(lengths) == pytest.approx(share, abs=0.03)
    assert len(set(lengths)) > 5


@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(SamplingError, match="must be above 0"):
        spans("a b", 0, share)


@given(st.text(max_size=40), st.integers(0, 2**60))
def test_a_misleading_question_holds_the_question_in_a_template(question: str, seed: int) -> None:
    made = misleading(question, seed)
    assert made in {template.replace("{question}", question.strip()) for template in TEMPLATES}
    assert made == misleading(question, seed)


def test_every_template_is_drawn() -> None:
    assert len({misleading("What is it?", seed) for seed in range(200)}) == len(TEMPLATES) == 8


def test_templates_without_a_place_for_the_question_are_refused() -> None:
    with pytest.raises(SamplingError, match="has no place for it"):
        misleading("What?", 0, ["Describe it."])
    with pytest.raises(SamplingError, match="at least one"):
        misleading("What?", 0, [])


def test_the_tiny_worlds_templates_use_words_that_its_model_knows() -> None:
    file = Path(ratchet.tinyworld.__file__).parent / "seed" / "tokenizer.json"
    vocabulary = set(json.loads(file.read_text())["model"]["vocab"])
    for template in MISLEADING:
        assert set(template.split()) - {"{question}"} <= vocabulary
        assert template.startswith("{question} ")
