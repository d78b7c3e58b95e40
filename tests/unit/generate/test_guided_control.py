"""Who is asked what, step by step: an engine whose answers are written here, for what a tiny model cannot be made to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from ratchet.artifacts import ImageBank
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Answer, Request, sample
from ratchet.generate.strategies import Tools, collect
from ratchet.recipe import GenerateConfig
from ratchet.records import Completion, Group, ImageRef, Message, Prompt

PICTURE = ImageRef(sha256="0" * 64, media_type="image/png", width=4, height=4)
Says = Callable[[Request, int], str | Answer]


class Scripted:
    """An engine that says what `says(request, number)` gives, and keeps each call's requests and parameters."""

    label = "scripted"
    bank: ImageBank

    def __init__(self, says: Says) -> None:
        self.says = says
        self.calls: list[tuple[list[Request], SamplingParams]] = []

    def answer(self, requests: Sequence[Request], params: SamplingParams) -> list[tuple[Answer, ...]]:
        self.calls.append((list(requests), params))
        return [tuple(self._one(request, number) for number in range(params.k)) for request in requests]

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Group]:
        return sample(self, prompts, params)

    def close(self) -> None:
        pass

    def stages(self) -> list[list[str]]:
        """What came after the prompt's id in each call's request ids."""
        return [[request.id.partition("/")[2] for request in requests] for requests, _ in self.calls]

    def _one(self, request: Request, number: int) -> Answer:
        said = self.says(request, number)
        return said if isinstance(said, Answer) else Answer(said, len(said.split()) + 1, "stop", -1.0)


def _prompt(question: str, reference: str | None = "7", verifiers: tuple[str, ...] = ("exact",)) -> Prompt:
    return Prompt.make(
        messages=(Message(role="user", content=question),),
        images=(PICTURE,),
        skill="s",
        source="t",
        reference=reference,
        verifiers=verifiers,
    )


def _run(says: Says, prompts: Sequence[Prompt], k: int = 2, **strategy: Any) -> tuple[list[Group], Scripted]:
    engine = Scripted(says)
    config = GenerateConfig.model_validate({"strategy": strategy, "k": k})
    return collect(prompts, config.strategy, Tools(lambda: engine, config, seed=3)), engine


def _asked(request: Request) -> str:
    return request.messages[-1].content


def _notes(one: Completion) -> dict[str, float]:
    return {note.name: note.score for note in one.notes}


def _stage(request: Request) -> str:
    return request.id.partition("/")[2].partition("/")[0]


def test_one_caption_serves_all_answers_and_k_captions_serve_one_each():
    def says(request: Request, number: int) -> str:
        return f"caption {number}" if _stage(request) == "caption" else f"answer {number}"

    prompts = [_prompt("a ?"), _prompt("b ?")]
    (first, _), engine = _run(
        says, prompts, name="captioned", caption="What is here?", instruction="{caption}|{question}"
    )
    assert engine.stages() == [["caption"] * 2, ["captioned/0"] * 2], "one call a step, for all prompts"
    assert [params.k for _, params in engine.calls] == [1, 2]
    assert [c.input.messages[-1].content for c in first.completions] == ["caption 0|a ?"] * 2
    (first, _), engine = _run(says, prompts, name="captioned", captions="k", instruction="{caption}|{question}")
    assert engine.stages()[1] == ["captioned/0", "captioned/1"] * 2
    assert [c.input.messages[-1].content for c in first.completions] == ["caption 0|a ?", "caption 1|a ?"]


def test_a_caption_that_was_cut_is_used_and_noted():
    def says(request: Request, _: int) -> Answer:
        return Answer("half a", 3, "length" if _stage(request) == "caption" else "stop")

    ((group,), engine) = _run(says, [_prompt("a ?")], name="captioned", caption_tokens=3)
    assert [params.max_new_tokens for _, params in engine.calls] == [3, 32]
    assert [_notes(c) for c in group.completions] == [{"clipped_context": 1.0}] * 2


@pytest.mark.parametrize(
    ("strategy", "stage", "slug", "failures"),
    [
        ({"name": "captioned"}, "caption", "empty", [0, 1]),
        ({"name": "described"}, "describe", "empty", [0, 1, 2, 3]),
        ({"name": "revised"}, "critique", "empty", [2, 3]),
        ({"name": "revised", "mode": "truncate", "first": "{question} step by step"}, "first", "empty", [2, 3]),
        ({"name": "recaptioned", "rounds": 2}, "caption", "empty", [0, 1]),
        ({"name": "recaptioned", "rounds": 2, "specialists": ["Count."]}, "specialist", "empty", [0, 1]),
        ({"name": "captioned"}, "caption", "timeout", [0, 1]),
        ({"name": "described"}, "describe", "timeout", [0, 1, 2, 3]),
        ({"name": "described"}, "alone", "timeout", [2, 3]),
        ({"name": "revised", "rounds": 2}, "critique", "timeout", [2, 3, 4, 5]),
        ({"name": "recaptioned"}, "caption", "timeout", [0, 1, 2, 3, 4, 5]),
        ({"name": "recaptioned", "specialists": ["Count."]}, "specialist", "timeout", [0, 1]),
    ],
)
def test_what_follows_from_a_failed_or_empty_step_is_an_error_with_its_reason(strategy, stage, slug, failures):
    bad, good = _prompt("bad ?"), _prompt("good ?")

    def says(request: Request, _: int) -> str | Answer:
        if _stage(request) != stage or request.id.startswith(good.id):
            return "One. Two."
        return "  " if slug == "empty" else Answer.failed("timeout", "no answer in 120 s")

    groups, engine = _run(says, [bad, good], **strategy)
    failed = {c.index: c.error for c in groups[0].completions if c.finish_reason == "error"}
    assert list(failed) == failures
    assert {error.partition(":")[0] for error in failed.values()} == {slug}
    assert all(c.error is None for c in groups[1].completions), "the other prompt goes on"
    asked = [_asked(request) for requests, _ in engine.calls for request in requests]
    assert not [text for text in asked if "{" in text]


def test_a_chain_has_notes_on_its_form_and_its_steps():
    texts = ["<think>One. Two.</think><answer>7</answer>", "seven"]
    ((group,), engine) = _run(lambda _, number: texts[number], [_prompt("a ?")], name="chain")
    assert [c.text for c in group.completions] == texts
    assert [_notes(c) for c in group.completions] == [
        {"well_formed": 1.0, "steps": 2.0},
        {"well_formed": 0.0, "steps": 1.0},
    ]
    (request,) = engine.calls[0][0]
    assert "<think>" in _asked(request)
    assert _asked(request).startswith("a ?")


def test_a_chain_can_be_asked_for_in_a_system_turn():
    ((group,), _) = _run(lambda *_: r"So \boxed{7}", [_prompt("a ?")], name="chain", form="boxed", place="system")
    (system, user) = group.completions[0].input.messages
    assert (system.role, user.content) == ("system", "a ?")
    assert "\\boxed{}" in system.content
    assert _notes(group.completions[0]) == {"well_formed": 1.0, "steps": 1.0}


def test_a_description_is_answered_with_the_picture_and_without():
    def says(request: Request, number: int) -> str:
        return f"desc {number}" if _stage(request) == "describe" else "<answer>7</answer>"

    ((group,), engine) = _run(says, [_prompt("a ?")], name="described")
    assert engine.stages() == [["describe"], ["see/0", "see/1"], ["alone/0", "alone/1"]]
    assert group.completions[1].text == "<description>\ndesc 1\n</description>\n<answer>7</answer>"
    assert [c.input.images for c in group.completions] == [(PICTURE,), (PICTURE,), (), ()]
    assert [_notes(c)["description"] for c in group.completions] == [0.0, 1.0, 0.0, 1.0]
    assert ["text_only" in _notes(c) for c in group.completions] == [False, False, True, True]
    assert "desc 1" in group.completions[3].input.messages[-1].content


def _star(request: Request, number: int) -> str:
    if "Hint" in _asked(request):
        return ["7", "7 as the hint says"][number]
    return "7" if _asked(request) == "easy ?" and number == 1 else "8"


def test_a_hint_is_given_only_where_no_answer_is_right_and_is_not_stored():
    easy, hard = _prompt("easy ?"), _prompt("hard ?")
    (solved, failed), engine = _run(
        _star, [easy, hard], name="hinted", hint="{question} Hint: {hint}", leaks=["The  Hint says", "the hint"]
    )
    assert engine.stages() == [["", ""], ["hint"]]
    assert len(solved.completions) == 2
    assert [c.input for c in failed.completions[:2]] == [None, None]
    assert [c.input.messages[-1].content for c in failed.completions[2:]] == ["hard ? Hint: 7"] * 2
    assert [_notes(c) for c in failed.completions[2:]] == [{"leak": 0.0}, {"leak": 1.0}]
    assert failed.prompt == hard
    assert failed.reason is None


def test_hints_can_be_given_always_and_more_or_fewer_of_them():
    groups, engine = _run(
        _star, [_prompt("easy ?")], name="hinted", hint="{question} Hint: {hint}", always=True, hinted=1
    )
    assert [params.k for _, params in engine.calls] == [2, 1]
    assert [c.text for c in groups[0].completions] == ["8", "7", "7"]


def test_a_prompt_that_needs_a_hint_and_has_no_reference_says_so_and_keeps_its_answers():
    bare, unchecked = _prompt("bare ?", reference=None), _prompt("unchecked ?", verifiers=())
    (first, second), engine = _run(_star, [bare, unchecked], name="hinted", hint="{question} Hint: {hint}")
    assert (first.reason, len(first.completions)) == ("no_reference", 2)
    assert (second.reason, len(second.completions)) == (None, 4), "nothing says that it is right, so it is hinted"
    assert len(engine.calls[1][0]) == 1


def test_a_critique_of_each_answer_reaches_its_revision_round_by_round():
    def says(request: Request, number: int) -> str:
        return {"": f"answer {number}", "critique": f"bad: {_asked(request)}", "revise": f"better({_asked(request)})"}[
            _stage(request)
        ]

    ((group,), engine) = _run(
        says,
        [_prompt("q")],
        name="revised",
        rounds=2,
        critique="{question}/{answer}",
        revise="{question}/{answer}/{critique}",
    )
    assert engine.stages() == [
        [""],
        ["critique/1/0", "critique/1/1"],
        ["revise/1/0", "revise/1/1"],
        ["critique/2/0", "critique/2/1"],
        ["revise/2/0", "revise/2/1"],
    ]
    assert [c.parent for c in group.completions] == [None, None, 0, 1, 2, 3]
    assert [c.text for c in group.completions[:3]] == ["answer 0", "answer 1", "better(q/answer 0/bad: q/answer 0)"]
    last = group.completions[5]
    assert last.input.messages[-1].content == "q/{0}/bad: q/{0}".format(group.completions[3].text)


def test_a_cut_chain_goes_on_from_a_step_that_the_seed_chooses():
    chain = "One. Two.\nThree. Four."
    steps = ["One.", "One. Two.\n", "One. Two.\nThree."]
    prompts = [_prompt(f"q {i}") for i in range(12)]
    groups, engine = _run(
        lambda request, _: "Mended. End." if request.begun else chain,
        prompts,
        name="revised",
        mode="truncate",
        rounds=2,
    )
    begun = [r.begun for r in engine.calls[1][0]]
    assert set(begun) == set(steps), "all places are drawn"
    for group in groups:
        for one in group.completions[2:4]:
            assert one.parent == one.index - 2
            assert one.text.startswith(one.input.begun)
            assert one.text.endswith("Mended. End.")
            kept = steps.index(one.input.begun)
            assert _notes(one) == {"cut_step": kept + 1.0, "cut": float(len(steps[kept]))}
        for one in group.completions[4:]:
            assert group.completions[one.parent].text.startswith(one.input.begun), "the second round cuts the first's"


def test_an_answer_of_one_step_is_not_cut_and_says_so():
    ((group,), engine) = _run(lambda *_: "seven", [_prompt("q")], name="revised", mode="truncate")
    assert [c.error for c in group.completions] == [None, None] + [
        "no_step: the answer has one step only, so there is nowhere to cut it"
    ] * 2
    assert engine.stages() == [[""]]


def test_captions_are_fed_on_and_the_last_round_comes_first():
    def says(request: Request, number: int) -> str:
        if _stage(request) == "specialist":
            return f"special {_asked(request)}"
        return f"first {number}" if _stage(request) == "caption" else f"better({_asked(request)})"

    ((group,), engine) = _run(
        says,
        [_prompt("q")],
        name="recaptioned",
        caption="C",
        instruction="{caption}+",
        specialists=["S1 {caption}", "S2"],
    )
    assert engine.stages() == [
        ["caption"],
        ["recaption/1/0", "recaption/1/1"],
        ["specialist/0/0", "specialist/1/0", "specialist/0/1", "specialist/1/1"],
        ["recaption/2/0", "recaption/2/1"],
    ]
    assert [c.parent for c in group.completions] == [2, 3, 4, 5, None, None]
    assert [c.text for c in group.completions[2:]] == ["better(first 0+)", "better(first 1+)", "first 0", "first 1"]
    assert group.completions[1].input.messages[-1].content == (
        "better(first 1+)\nspecial S1 better(first 1+)\nspecial S2+"
    )
