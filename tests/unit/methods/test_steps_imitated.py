"""The step that only its paper takes, at work: methods that imitate verified answers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest

from ratchet.filter.settle import settle
from ratchet.recipe.strategies.guided import CaptionedConfig
from ratchet.train.preference.rows import caption_in
from ratchet.verify import apply
from ratchet.verify.judging import rights
from tests.unit.methods.made import Made


def _only_right_answers(made: Made) -> None:
    marks = rights(made.kept)
    kept = [
        (c.kept, right)
        for g, each in zip(made.kept, marks, strict=True)
        for c, right in zip(g.completions, each, strict=True)
    ]
    assert any(taken for taken, _ in kept)
    assert all(right for taken, right in kept if taken)


def rft(made: Made) -> None:
    _only_right_answers(made)
    assert {sum(bool(c.kept) for c in g.completions) for g in made.kept} == {1}
    assert made.recipe.train.start == "seed"
    assert any(c.verdicts and not c.verdicts[0].passed for g in made.verified for c in g.completions)


def star(made: Made) -> None:
    _only_right_answers(made)
    hinted = [(g, c) for g in made.kept for c in g.completions if c.kept and c.index >= 8]
    assert hinted, "no answer was rationalised"
    for group, completion in hinted:
        assert completion.input is not None
        assert "hint" in completion.input.messages[-1].content
        assert not any(v.passed for c in group.completions[:8] for v in c.verdicts)
    assert not any("hint" in turn["content"] for row in made.rows for turn in row["prompt"])
    assert made.recipe.train.start == "base"


def rest_em(made: Made) -> None:
    _only_right_answers(made)
    assert {len(g.completions) for g in made.verified} == {16}
    # The seed lists objects in one order; in any order they are right, and each wording counts.
    group = next(g for g in made.verified if g.prompt.skill == "caption" and (g.prompt.reference or "").count(",") > 1)
    objects = (group.prompt.reference or "").split(" , ")
    texts = [" , ".join(order) for order in permutations(objects)] + [objects[0]] * 3
    first = group.completions[0].model_copy(update={"verdicts": (), "kept": None})
    said = tuple(first.model_copy(update={"index": i, "text": text}) for i, text in enumerate(texts))
    (checked,) = apply([group.model_copy(update={"completions": said})], None, 10.0)
    settled = settle(checked, made.recipe.verify, made.recipe.filter)
    kept = [texts[i] for i, (taken, _) in enumerate(settled.marks) if taken]
    assert len(set(kept)) == len(kept) == made.recipe.filter.completions_per_prompt == 4
    assert made.recipe.train.start == "base"


def m_star(made: Made) -> None:
    tuned = made.manifests["generate"].results["temperature"]
    assert len(tuned["curve"]) == 5
    assert {c.sampling.temperature for g in made.verified for c in g.completions} == {tuned["chosen"]}
    assert made.recipe.train.start == "seed"


def vila2(made: Made) -> None:
    def depth(group: object, index: int) -> int:
        parent = group.completions[index].parent  # type: ignore[attr-defined]
        return 0 if parent is None else 1 + depth(group, parent)

    assert {depth(g, c.index) for g in made.verified for c in g.completions} == {0, 1, 2}
    for group in made.verified:
        last, before = group.completions[0], group.completions[group.completions[0].parent or 0]
        assert last.input is not None
        assert before.text in last.input.messages[-1].content
    assert all(turn["content"] != "list the objects . how" for row in made.rows for turn in row["prompt"])
    assert made.recipe.train.start == "base"


def video_star(made: Made) -> None:
    assert {len(g.prompt.images) for g in made.verified} == {2}
    kept = [(g.prompt.reference, c.text) for g in made.kept for c in g.completions if c.kept]
    assert kept
    assert all(f" {reference} " in f" {text} " for reference, text in kept)
    assert {v.verifier for g in made.verified for c in g.completions for v in c.verdicts} == {"holds"}
    assert made.recipe.train.start == "base"


def openvlthinker_sft(made: Made) -> None:
    _only_right_answers(made)
    for group in made.kept:
        lengths = [c.n_tokens for c in group.completions if all(v.passed for v in c.verdicts)]
        assert [c.n_tokens for c in group.completions if c.kept] == [min(lengths)]
    assert made.recipe.train.start == "base"


def stic_infused(made: Made) -> None:
    (config,) = made.recipe.generate.strategy
    assert isinstance(config, CaptionedConfig)
    asked = {row["prompt"][-1]["content"] for row in made.rows}
    captions = []
    for group in made.kept:
        for completion in (c for c in group.completions if c.kept):
            assert completion.input is not None
            shown = completion.input.messages[-1].content
            assert completion.text == group.prompt.reference, "the label is what is learned"
            assert shown in asked, "below what was shown"
            captions.append(caption_in(shown, group.prompt.question, config))
    assert len(captions) == len(made.rows) > 0
    assert None not in captions, "every question has a description before it"
    assert len(set(captions)) > 1, "the model described its picture"


CHECKS: dict[str, Callable[[Made], None]] = {
    "rft": rft,
    "star": star,
    "rest-em": rest_em,
    "m-star": m_star,
    "vila2": vila2,
    "video-star": video_star,
    "openvlthinker-sft": openvlthinker_sft,
    "stic-infused": stic_infused,
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_step_of_its_paper_is_at_work(name: str, round_of: Callable[..., Made]) -> None:
    made = round_of(name)
    assert made.rows or name == "vila2"
    CHECKS[name](made)
