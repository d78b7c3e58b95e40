"""The tiny image-text scorer: what it is taught is true, and it learns to tell pictures apart."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from ratchet.tinyworld import items, scorer
from ratchet.tinyworld.facts import facts, lists
from ratchet.verify.measured.image_text import ImageText

SKILLS = ("count", "exist", "add", "locate", "compare", "relation")


def test_every_question_of_the_world_about_one_picture_has_the_answer_that_the_world_gives() -> None:
    known = {fact.question: fact for fact in facts()}
    asked = Counter()
    for item in items("validation", 360, 5, skills=SKILLS):
        fact = known[item.question]
        assert fact.right(item.scenes[0]) == item.answer, item
        assert item.answer in fact.answers
        asked[item.skill] += 1
    assert set(asked) == set(SKILLS)


def test_a_question_that_a_picture_does_not_answer_is_not_asked_of_it() -> None:
    known = {fact.question: fact for fact in facts()}
    digits = next(item for item in items("validation", 5, 5, skills=("add",)))
    assert known["is there a red circle ?"].right(digits.scenes[0]) is None
    shapes = next(item for item in items("validation", 5, 5, skills=("count",)))
    assert known["what is the sum of the digits ?"].right(shapes.scenes[0]) is None
    absent = next(i for i in items("validation", 60, 5, skills=("exist",)) if i.answer == "no")
    kind = absent.question.removeprefix("is there a ")
    assert known[f"where is the {kind}"].right(absent.scenes[0]) is None


def test_lists_hold_the_right_one_first_and_then_wrong_ones() -> None:
    chance = random.Random(1)
    for item in items("validation", 60, 5, skills=("caption", "read")):
        texts = lists(item.scenes[0], 4, chance)
        assert texts is not None
        assert texts[0] == f"{item.question} {item.answer}"
        for wrong in texts[1:]:
            said = wrong.removeprefix(item.question).strip()
            if item.skill == "caption":
                assert Counter(said.split(" , ")) != Counter(item.answer.split(" , "))
            else:
                assert said != item.answer


def test_a_few_steps_of_training_lower_the_loss_and_what_is_saved_is_read_as_an_image_text_model(
    tmp_path: Path,
) -> None:
    config = scorer.ScorerConfig(steps=12, rows=64, batch=16, questions=4, lists=8)
    processor = scorer.build_processor()
    model = scorer.build_model(processor, 0)
    lesson = scorer._Lesson.drawn(config)

    def loss() -> float:
        again = scorer._Lesson(lesson.scenes, lesson.pixels, lesson.facts, lesson.right, random.Random(9))
        return sum(scorer._loss(model, processor, again, config).item() for _ in range(4))

    before = loss()
    scorer.train(model, processor, config)
    assert loss() < before
    twin = scorer.build_model(processor, 0)
    scorer.train(twin, processor, config)
    weights = twin.state_dict()
    assert all(value.equal(weights[name]) for name, value in model.state_dict().items())
    scorer.save(model, processor, tmp_path)
    read = ImageText(tmp_path, 8)
    vectors = read.texts(["is there a red circle ? yes", "is there a red circle ? no"])
    assert all(abs(float(v.norm()) - 1) < 1e-5 for v in vectors.values())  # type: ignore[union-attr]
    assert read.longest == scorer.LONGEST
