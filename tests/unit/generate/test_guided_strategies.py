"""Guided strategies with a real tiny model: what holds of every group, and that each row can be made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from ratchet.artifacts import ImageBank
from ratchet.errors import RecipeError, SamplingError
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Request, joined
from ratchet.generate.engines.local import TransformersEngine
from ratchet.generate.strategies import Tools, collect
from ratchet.recipe import GenerateConfig, parse
from ratchet.records import Group, Message, Prompt
from ratchet.store import FolderStore
from ratchet.tinyworld.seed import SEED_DIR
from tests import tiny

LIST = "list the objects ."
CASES: dict[str, dict[str, Any]] = {
    "prompted": {"instruction": "look {question}"},
    "captioned": {"caption": LIST, "instruction": "{caption} {question}"},
    "captioned-k": {"caption": LIST, "instruction": "{caption} {question}", "captions": "k"},
    "chain": {"instruction": "look {question}"},
    "chain-system": {"place": "system", "instruction": "look"},
    "described": {
        "describe": LIST,
        "instruction": "look {question}",
        "begun": "{caption} ,",
        "alone": "{caption} {question}",
    },
    "hinted": {"hint": "hint : {hint} {question}", "always": True},
    "revised": {"critique": "{answer} {question}", "revise": "{critique} {answer} {question}", "rounds": 2},
    "revised-truncate": {"mode": "truncate", "cut": "words", "correct": "look {question}"},
    "recaptioned": {
        "caption": "list the objects",
        "instruction": "{caption} {question}",
        "specialists": ["read the digits ."],
    },
}
# Their first answers are to the prompt as it is.
AS_STORED = {"hinted", "revised"}
SIZES = {"described": 6, "hinted": 6, "revised": 9, "revised-truncate": 6, "recaptioned": 9}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Prompt], ImageBank]:
    prompts, pictures = tiny.world("pool", 18)
    return prompts, tiny.bank(FolderStore(str(tmp_path_factory.mktemp("store"))), pictures)


@pytest.fixture(scope="module")
def engine(asked: tuple[list[Prompt], ImageBank]) -> TransformersEngine:
    return TransformersEngine(SEED_DIR, asked[1], "seed", batch_size=64)


def _collect(engine: Any, prompts: Sequence[Prompt], case: str, **config: Any) -> list[Group]:
    strategy = {"name": case.partition("-")[0], **CASES[case]}
    made = GenerateConfig.model_validate({"strategy": strategy, "max_new_tokens": 12, "k": 3, **config})
    return collect(prompts, made.strategy, Tools(lambda: engine, made, seed=5))


@pytest.mark.parametrize("case", CASES)
def test_groups_are_in_order_say_what_was_shown_and_are_the_same_again(engine, asked, case):
    prompts, _ = asked
    groups = _collect(engine, prompts, case)
    assert groups == _collect(engine, prompts, case)
    assert [g.prompt for g in groups] == prompts
    for group in groups:
        assert [c.index for c in group.completions] == list(range(SIZES.get(case, 3)))
        for one in group.completions:
            assert (one.finish_reason == "error") == (one.error is not None)
            assert one.sampling.strategy == case.partition("-")[0]
            if one.input is None:
                assert one.error or (case.partition("-")[0] in AS_STORED and one.index < 3)
            else:
                shown = (one.input.messages, one.input.images, one.input.begun)
                assert shown != (group.prompt.messages, group.prompt.images, "")
    assert sum(c.error is None for g in groups for c in g.completions) > len(prompts), "most could be asked"


@pytest.mark.parametrize("case", CASES)
def test_a_shard_has_the_prompts_and_the_numbering_that_the_whole_has(engine, asked, case):
    prompts, _ = asked
    whole = _collect(engine, prompts, case)
    split = [*_collect(engine, prompts[::2], case), *_collect(engine, prompts[1::2], case)]
    by_id = {g.prompt.id: g for g in split}
    for group in whole:
        other = by_id[group.prompt.id]
        assert other.prompt == group.prompt
        assert [(c.index, c.parent) for c in other.completions] == [(c.index, c.parent) for c in group.completions]


@pytest.mark.parametrize("case", CASES)
def test_a_greedy_row_can_be_made_again_from_what_it_says_was_shown(engine, asked, case):
    prompts, _ = asked
    groups = _collect(engine, prompts[:9], case, k=1, temperature=0.0)
    params = SamplingParams(k=1, temperature=0.0, max_new_tokens=12)
    rows = [(g.prompt, c) for g in groups for c in g.completions if c.error is None]
    shown = [
        Request.of(prompt)
        if one.input is None
        else Request(f"again/{i}", one.input.messages, one.input.images, one.input.begun)
        for i, (prompt, one) in enumerate(rows)
    ]
    again = engine.answer(shown, params)
    assert [joined(r.begun, a[0].text) for r, a in zip(shown, again, strict=True)] == [one.text for _, one in rows]


def test_a_strategy_in_a_mix_makes_only_its_share_and_names_itself(engine, asked):
    prompts, _ = asked
    mix = [{"name": "prompted", **CASES["prompted"]}, {"name": "captioned", **CASES["captioned"], "k": 2}]
    made = GenerateConfig.model_validate({"strategy": mix, "max_new_tokens": 12, "k": 3})
    groups = collect(prompts, made.strategy, Tools(lambda: engine, made, seed=5))
    assert [g.prompt for g in groups] == prompts
    assert {(c.sampling.strategy, len(g.completions)) for g in groups for c in g.completions} == {
        ("prompted", 3),
        ("captioned", 2),
    }


def test_an_answer_without_the_picture_is_asked_without_one(engine, asked):
    prompts, _ = asked
    for group in _collect(engine, prompts, "described"):
        seen, alone = group.completions[:3], group.completions[3:]
        assert all(c.input.images == group.prompt.images for c in seen if c.input)
        assert all(c.input.images == () for c in alone if c.input)
        for one, other in zip(seen, alone, strict=True):
            if one.error is None and other.error is None:
                description = one.input.begun.removesuffix(" ,")
                assert one.text.startswith(description)
                assert other.input.messages[-1].content == f"{description} {group.prompt.question}"


def test_requests_with_and_without_pictures_share_a_batch(engine, asked):
    prompts, _ = asked
    both = [r for p in prompts for r in (Request.of(p), replace(Request.of(p), id=f"{p.id}/alone", images=()))]
    params = SamplingParams(k=1, temperature=0.0, max_new_tokens=6)
    together = engine.answer(both, params)
    assert all(one.error is None for (one,) in together)
    assert [a.text for (a,) in together] == [engine.answer([one], params)[0][0].text for one in both]


def test_a_context_that_is_too_long_is_an_error_of_its_rows_only(engine, asked):
    prompts, _ = asked
    long = prompts[0].model_copy(update={"messages": (Message(role="user", content="how many " * 120),)})
    groups = _collect(engine, [long, prompts[1]], "captioned")
    assert {c.error.partition(":")[0] for c in groups[0].completions} == {"too_long"}
    assert all(c.error is None for c in groups[1].completions)


@pytest.mark.parametrize("case", ["prompted", "chain", "captioned"])
def test_greedy_decoding_more_than_once_is_refused_before_anything_is_asked(case):
    with pytest.raises(RecipeError, match=r"set generate\.k to 1"):
        parse({"name": "a", "generate": {"strategy": case, "temperature": 0.0, "k": 2}})


def test_a_label_can_stand_below_the_models_own_caption(engine, asked):
    prompts, _ = asked
    labelled = {"name": "captioned", **CASES["captioned"], "answers": "reference"}
    made = GenerateConfig.model_validate({"strategy": labelled, "max_new_tokens": 12, "k": 3})
    groups = collect(prompts, made.strategy, Tools(lambda: engine, made, seed=5))
    for group, prompt in zip(groups, prompts, strict=True):
        (one,) = group.completions
        assert one.error is not None or (one.text, one.n_tokens) == (prompt.reference, 0)
        assert one.error is not None or one.input.messages[-1].content.endswith(f" {prompt.question}")
    assert len({g.completions[0].input.messages for g in groups if g.completions[0].input}) > len(prompts) / 2
    bare = [prompts[0].model_copy(update={"reference": None})]
    with pytest.raises(SamplingError, match=r"1 prompts have no reference .* answers reference needs one each"):
        collect(bare, made.strategy, Tools(lambda: engine, made, seed=5))
    with pytest.raises(ValidationError, match="captions is k; leave captions at 1"):
        GenerateConfig.model_validate({"strategy": {**labelled, "captions": "k"}})
