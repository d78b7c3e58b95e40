"""Votes over augmented views, and the model's own list against its answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from ratchet.generate.sampling import SamplingParams
from ratchet.recipe import VerifyConfig
from ratchet.recipe.verifiers.votes import OwnCaptionConfig, ViewsConfig
from ratchet.records import Group, Message, Prompt, Verdict
from ratchet.verify.tools import Tools
from ratchet.verify.voting.own_caption import OwnCaption
from ratchet.verify.voting.views import View, Views, changed
from tests import rows
from tests.unit.verify.measuring import failed, group, tools_at, verified

ASK = "list the objects ."


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Prompt], Tools]]:
    prompts, tools = tools_at(tmp_path_factory.mktemp("views"), 24, ("caption", "compare", "count", "exist"))
    yield prompts, tools
    tools.close()


def found(tools: Tools, groups: list[Group], **verifier: object) -> list[list[Verdict]]:
    return [[c.verdicts[0] for c in g.completions] for g in verified(tools, groups, verifier)]


def greedy(tools: Tools, prompts: list[Prompt]) -> list[str]:
    params = SamplingParams(temperature=0.0, max_new_tokens=16)
    return [g.completions[0].text for g in tools.engine("seed").sample(prompts, params)]


@pytest.fixture(scope="module")
def picture(made: tuple[list[Prompt], Tools]) -> Image.Image:
    prompts, tools = made
    return tools.bank.image(prompts[0].images[0].sha256)


@pytest.mark.parametrize("kind", ["noise", "brightness", "contrast", "jpeg"])
def test_a_view_changes_the_picture_a_little_and_the_same_way_every_time(picture, kind):
    view = View(kind, 0, ViewsConfig(views={"noise": 6, "brightness": 0.1, "contrast": 0.1, "jpeg": 75}).views[kind])
    one = changed(picture, view, 3)
    apart = np.abs(np.asarray(one, dtype=int) - np.asarray(picture, dtype=int))
    assert one.size == picture.size
    assert 0 < apart.mean() < 16
    assert one.tobytes() == changed(picture, view, 3).tobytes()
    other = changed(picture, view._replace(number=1), 4)
    assert other.tobytes() != one.tobytes()


def test_the_answer_that_the_model_keeps_to_gets_the_share_of_the_views_that_say_it(made):
    prompts, tools = made
    answers = greedy(tools, prompts)
    groups = [
        group(p, a, "none of these", a).model_copy()
        for p, a in zip(prompts, answers, strict=True)
        if p.skill == "compare"
    ]
    verdicts = found(tools, groups, name="views", max_new_tokens=16)
    for one in verdicts:
        assert one[0] == one[2]
        assert len(one[0].parts) == 6
        assert one[0].score == pytest.approx(sum(part.score for part in one[0].parts) / 6)
        assert (one[1].score, one[1].passed, one[1].reason) == (0, False, "unstable")
        assert one[0].detail.count(" | ") == 5
    assert sum(one[0].passed is True for one in verdicts) >= 0.8 * len(verdicts)
    assert verdicts == found(tools, groups, name="views", max_new_tokens=16)
    assert found(tools, groups[::-1], name="views", max_new_tokens=16)[::-1] == verdicts


def test_views_agree_by_the_rules_of_the_prompt(made):
    prompts, tools = made
    caption = next(p for p in prompts if p.skill == "caption")
    (answer,) = greedy(tools, [caption])
    turned = " , ".join(reversed(answer.split(" , ")))
    ((first, second),) = found(tools, [group(caption, answer, turned)], name="views", max_new_tokens=16)
    assert first.score == second.score


def test_what_cannot_be_shown_is_unscored(made):
    prompts, tools = made
    gone = prompts[0].model_copy(update={"images": (prompts[0].images[0].model_copy(update={"sha256": "0" * 64}),)})
    (lost,) = found(tools, [group(gone, "1", "2")], name="views")
    assert {(v.score, v.reason) for v in lost} == {(None, "picture")}
    one = group(prompts[1], "1", "2")
    one = one.model_copy(update={"completions": (one.completions[0], failed(one.completions[1]))})
    (some,) = found(tools, [one], name="views")
    assert [v.score is None for v in some] == [False, True]
    # The model has room for 256 tokens.
    (long,) = found(tools, [group(prompts[1], "1")], name="views", max_new_tokens=400)
    assert (long[0].score, long[0].reason) == (None, "too_long")


def test_views_are_as_many_as_the_recipe_says_in_a_fixed_order(made):
    views = Views(ViewsConfig(views={"noise": 2, "jpeg": 50}, each=3), made[1]).views
    assert [view.name for view in views] == ["jpeg_0", "jpeg_1", "jpeg_2", "noise_0", "noise_1", "noise_2"]
    for bad in ({"noise": 0.5}, {"jpeg": 100}, {"flip": 1}, {}):
        with pytest.raises(ValueError, match="views"):
            VerifyConfig.model_validate({"verifiers": [{"name": "views", "views": bad}]})


def asked(question: str, **config: object) -> tuple[frozenset[str], bool] | None:
    prompt = rows.prompt().model_copy(update={"messages": (Message(role="user", content=question),)})
    return OwnCaption(OwnCaptionConfig.model_validate(config), None).asked(prompt)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "words", "number"),
    [
        ("how many red circles ?", {"red", "circle"}, True),
        ("How many dogs are there in the picture?", {"dog"}, True),
        ("How many glass bottles do you see?", {"glass", "bottle"}, True),
        ("How many boxes are there?", {"box"}, True),
        ("How many people can you see?", {"person"}, True),
        ("is there a blue square ?", {"blue", "square"}, False),
        ("Are there any cats in the picture?", {"cat"}, False),
    ],
)
def test_questions_of_number_and_existence_are_read(question, words, number):
    assert asked(question) == (frozenset(words), number)


@pytest.mark.parametrize(
    "question", ["where is the red circle ?", "list the objects .", "more circles or squares ?", "?"]
)
def test_other_questions_are_not_comparable(question):
    assert asked(question) is None


def test_a_pattern_of_the_recipe_takes_the_place_of_the_default():
    assert asked("count the cats .", count=r"count the (?P<object>\w+)(?: \.)? \?") == (frozenset({"cat"}), True)
    assert asked("how many cats ?", count=None) is None
    for bad in ("how many", "how many (?P<object>"):
        with pytest.raises(ValueError, match="object"):
            OwnCaptionConfig(count=bad)


def test_an_answer_is_consistent_with_the_models_own_list_or_contradicts_it(made):
    prompts, tools = made
    some = [p for p in prompts if p.skill in ("count", "exist")]
    verifier = OwnCaption(OwnCaptionConfig(ask=ASK, max_new_tokens=16), tools)
    listed = greedy(tools, [p.model_copy(update={"messages": (Message(role="user", content=ASK),)}) for p in some])
    said = [verifier.asked(p).answer(text) for p, text in zip(some, listed, strict=True)]
    groups = [group(p, "yes", "no", *map(str, range(7))) for p in some]
    verdicts = found(tools, groups, name="own_caption", ask=ASK, max_new_tokens=16)
    for one, g, text, caption in zip(verdicts, groups, said, listed, strict=True):
        agreeing = [c.text for c, v in zip(g.completions, one, strict=True) if v.passed]
        assert agreeing == [text]
        assert {v.reason for v in one} == {"consistent", "contradicts"}
        assert one[0].detail == f"{caption} -> {text}"
    assert len(set(said)) > 2
    assert verdicts == found(tools, groups, name="own_caption", ask=ASK, max_new_tokens=16)


def test_what_the_list_does_not_tell_is_unscored(made):
    prompts, tools = made
    other = next(p for p in prompts if p.skill == "compare")
    counted = next(p for p in prompts if p.skill == "count")
    gone = counted.model_copy(update={"images": (counted.images[0].model_copy(update={"sha256": "0" * 64}),)})
    two = counted.model_copy(update={"images": counted.images * 2})
    verdicts = found(tools, [group(p, "1") for p in (other, gone, two)], name="own_caption", ask=ASK, max_new_tokens=16)
    assert [(v.score, v.reason) for (v,) in verdicts] == [
        (None, "not_comparable"),
        (None, "picture"),
        (None, "not_comparable"),
    ]
