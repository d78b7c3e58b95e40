from __future__ import annotations

import pytest

from ratchet.errors import VerifierError
from ratchet.evaluate.outcomes import Outcome
from ratchet.evaluate.scoring import score
from ratchet.records import Completion, Group, ImageRef, Message, Prompt, Sampling

IMAGE = ImageRef(sha256="0" * 64, media_type="image/png", width=48, height=48)


def group(reference: str | None, verifiers: tuple[str, ...], *texts: str, finish: str = "stop") -> Group:
    prompt = Prompt.make(
        messages=(Message(role="user", content=f"{reference} {verifiers} ?"),),
        images=(IMAGE,),
        skill="any",
        source="test",
        reference=reference,
        verifiers=verifiers,
    )
    sampling = Sampling(seed=0, temperature=0, max_new_tokens=4)
    completions = tuple(
        Completion(index=i, text=text, finish_reason=finish, sampling=sampling, n_tokens=1, model="m")
        for i, text in enumerate(texts)
    )
    return Group(prompt=prompt, completions=completions)


def scored(answer: Group, *sampled: Group) -> Outcome:
    return score([answer], sampled, "candidate")[0]


def test_an_answer_is_right_where_the_verifier_of_its_prompt_passes_it():
    right, wrong = scored(group("2", ("numeric",), "2")), scored(group("2", ("numeric",), "3"))
    assert (right.correct, right.score, right.unparsed) == (True, 1.0, False)
    assert (wrong.correct, wrong.score, wrong.unparsed) == (False, 0.0, False)


def test_an_answer_that_cannot_be_read_is_wrong_and_unparsed():
    found = scored(group("2", ("numeric",), "a lot"))
    assert (found.correct, found.unparsed) == (False, True)


def test_a_prompt_without_reference_is_unscored():
    found = scored(group(None, ("numeric",), "2"))
    assert (found.correct, found.score) == (None, None)


def test_yes_no_questions_carry_answer_and_truth():
    found = scored(group("no", ("yes_no",), "yes"))
    assert (found.yes, found.truth_yes, found.correct) == (True, False, False)
    assert scored(group("no", ("yes_no",), "maybe")).yes is None
    assert scored(group("2", ("numeric",), "2")).truth_yes is None


def test_captions_carry_object_counts_as_multisets():
    found = scored(
        group(
            "red circle , red circle , blue square",
            ("objects",),
            "red circle , red circle , red circle , blue triangle",
        )
    )
    assert (found.mentioned, found.hallucinated, found.covered, found.truth) == (4, 2, 2, 3)


def test_captions_in_free_text_carry_object_counts_as_sets():
    found = scored(group("dog, couch", ("caption",), "A puppy sleeps beside two cats; the puppy is small."))
    assert (found.mentioned, found.hallucinated, found.covered, found.truth) == (2, 1, 1, 2)


def test_an_empty_caption_mentions_nothing():
    found = scored(group("red circle", ("objects",), ""))
    assert (found.mentioned, found.hallucinated, found.covered, found.truth) == (0, 0, 0, 1)


def test_samples_are_counted_with_those_right_and_those_distinct():
    found = scored(group("2", ("numeric",), "3"), group("2", ("numeric",), "2", "2", "3", "two things"))
    assert (found.samples, found.samples_correct) == (4, 3)
    assert found.distinct == 3
    assert scored(group("2", ("numeric",), "3")).samples == 0


def test_samples_that_cannot_be_scored_are_not_counted():
    found = scored(group(None, ("numeric",), "3"), group(None, ("numeric",), "2", "3"))
    assert (found.samples, found.samples_correct, found.distinct) == (0, 0, 0)


def test_a_cut_answer_is_clipped():
    assert scored(group("2", ("numeric",), "2", finish="length")).clipped


def test_an_unknown_verifier_stops_evaluation():
    with pytest.raises(VerifierError, match="no verifier 'tea_leaves'"):
        scored(group("2", ("tea_leaves",), "2"))
