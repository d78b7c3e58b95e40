"""One adapter: the verify stage's verdicts and policy, for groups of a step's completions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.errors import TrainError
from ratchet.recipe import Recipe, VerifyConfig
from ratchet.recipe.rewarding import reward_policy
from ratchet.records import Group, Verdict
from ratchet.train.rl.building import resolved
from ratchet.train.rl.earned import Earned
from ratchet.train.rl.rewards import Rewards
from ratchet.train.rl.rows import rl_rows
from ratchet.verify.applying import apply
from ratchet.verify.environments import for_prompts
from ratchet.verify.panel import Panel
from ratchet.verify.policy import judge
from tests import tiny
from tests.unit.train.builders import group_of
from tests.unit.train.rl.conftest import SAMPLING, Scores, rewards

PROMPTS, _ = tiny.world("pool", 12)
VALUES = {"none": None, "zero": 0.0, "part": 0.4, "one": 1.0}


def by_name(_prompt: object, text: str) -> float | None:
    return VALUES[text.split()[0]]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from(sorted(VALUES)), min_size=3, max_size=3), min_size=1, max_size=4))
def test_rewards_keep_their_order_and_none_stays_none(said: list[list[str]]) -> None:
    made = rewards(Scores("a", by_name))
    found = made.judged(PROMPTS[: len(said)], [[(text, 1, False) for text in group] for group in said])
    assert [[one.total for one in group] for group in found] == [[VALUES[text] for text in group] for group in said]


def test_they_are_what_the_verify_stage_and_its_policy_say() -> None:
    answers = [[prompt.reference or "", "no", "2 , red circle"] for prompt in PROMPTS]
    given = Rewards(Panel(None, for_prompts(None)), VerifyConfig(), SAMPLING)
    found = given.judged(PROMPTS, [[(text, 2, False) for text in group] for group in answers])
    completions = [given._completion(i, text, 2, False) for group in answers for i, text in enumerate(group)]
    groups = [Group(prompt=p, completions=tuple(completions[3 * n : 3 * n + 3])) for n, p in enumerate(PROMPTS)]
    verified = apply(groups, None, 10.0, for_prompts(None))
    wanted = [[judge(c.verdicts, VerifyConfig()).score for c in group.completions] for group in verified]
    assert [[one.total for one in group] for group in found] == wanted
    assert all(group[0].passed for group in found)


class Vote:
    """Right is what most of a group say: it needs the whole group."""

    name, version = "vote", "1"

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        return [[self._of(c.text, [d.text for d in g.completions]) for c in g.completions] for g in groups]

    def self_check(self, prompt: object) -> str | None:
        return None

    def _of(self, text: str, all_texts: list[str]) -> Verdict:
        score = all_texts.count(text) / len(all_texts)
        return Verdict(verifier="vote", version="1", score=score, passed=score > 0.5, reason="vote")


def test_a_verifier_sees_the_k_completions_of_a_prompt_together() -> None:
    earned = Earned(rewards(Vote()), 4, [0])  # type: ignore[arg-type]
    asked = [PROMPTS[0].model_dump_json()] * 4 + [PROMPTS[1].model_dump_json()] * 4
    said = [[{"role": "assistant", "content": text}] for text in "aaabcccc"]
    told: dict[str, float] = {}
    found = earned(said, [[5, 0]] * 7 + [[5, 5]], asked, log_metric=told.__setitem__)
    assert found == [0.75, 0.75, 0.75, 0.25, 1.0, 1.0, 1.0, 1.0]
    assert earned.counts == [True] * 4 + [False] * 4
    assert told["groups/zero_variance"] == 0.5


def test_a_group_that_was_torn_apart_is_not_judged() -> None:
    earned = Earned(rewards(Scores("a", lambda *_: 1.0)), 2, [0])
    asked = [PROMPTS[n].model_dump_json() for n in (0, 1, 1, 0)]
    with pytest.raises(TrainError, match="several prompts lie in one group of k=2"):
        earned([[{"content": "x"}]] * 4, [[5, 0]] * 4, asked)


def test_a_cut_answer_says_so_to_its_verifiers() -> None:
    looking = Scores("a", lambda *_: 1.0)
    earned = Earned(rewards(looking), 2, [0])
    earned([[{"content": " x "}], [{"content": "y"}]], [[5, 0], [5, 5]], [PROMPTS[0].model_dump_json()] * 2)
    (group,) = looking.seen
    assert [(c.text, c.finish_reason, c.n_tokens) for c in group.completions] == [("x", "stop", 2), ("y", "length", 2)]
    assert group.prompt == PROMPTS[0]


def weighted(**weights: float) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "w",
            "verify": {"verifiers": ["prompt", "json_answer"] if "json_answer" in weights else ["prompt", "exact"]},
            "train": {"method": "grpo", "rl": {"rewards": weights}},
        }
    )


def test_weights_are_a_policy_over_verdicts_as_they_are_called() -> None:
    recipe = weighted(prompt=0.9, exact=0.1)
    config = reward_policy(recipe.verify, recipe.train)
    format_, own = (
        Verdict(verifier=n, version="1", score=s, passed=s > 0, reason="x")
        for n, s in (("exact", 1.0), ("numeric", 0.0))
    )
    assert judge([own, format_], config).score == pytest.approx(0.1)
    none = Verdict(verifier="numeric", version="1", reason="unparsed")
    # Weighing what is left would pay for the form alone.
    assert judge([none, format_], config).score is None


def test_too_many_broken_verdicts_stop_the_step_and_few_do_not() -> None:
    def sometimes(_prompt: object, text: str) -> float:
        if text == "bad":
            raise RuntimeError("boom")
        return 1.0

    one = rewards(Scores("a", sometimes), max_error_share=0.5)
    groups = [[("good", 1, False)] * 2, [("bad", 1, False)] * 2]
    found = one.judged(PROMPTS[:2], groups)
    assert [[r.total for r in group] for group in found] == [[1.0, 1.0], [None, None]]
    with pytest.raises(
        TrainError, match=r"4 of a step's 6 verdicts broke, more than verify.max_error_share 0.5; .*RuntimeError: boom"
    ):
        one.judged(PROMPTS[:3], [*groups, [("bad", 1, False)] * 2])


def test_rows_are_the_prompts_for_rl_each_once_with_all_that_verifiers_need() -> None:
    recipe = Recipe(name="r")
    groups = [group_of(prompt).model_copy(update={"uses": ("rl", "sft")}) for prompt in PROMPTS[:3]]
    found = rl_rows([*groups, groups[0], group_of(PROMPTS[5])], recipe)
    assert len(found) == 3
    assert [row["asked"] for row in found] == [p.model_dump_json() for p in sorted(PROMPTS[:3], key=lambda p: p.id)]
    assert found[0]["images"] == [ref.sha256 for ref in min(PROMPTS[:3], key=lambda p: p.id).images]


def test_a_weight_for_a_verifier_that_looked_at_nothing_is_refused_with_those_that_did() -> None:
    said = Verdict(verifier="exact", version="1", score=1.0, passed=True, reason="x")
    group = group_of(PROMPTS[0])
    judged = tuple(one.model_copy(update={"verdicts": (said,)}) for one in group.completions)
    groups = [group.model_copy(update={"uses": ("rl",), "completions": judged})]
    recipe = Recipe.model_validate({"name": "w", "train": {"method": "grpo", "rl": {"rewards": {"exakt": 1.0}}}})
    with pytest.raises(
        TrainError, match=r"weighs exakt, which looked at no answer of this round; its verdicts are of exact"
    ):
        rl_rows(groups, recipe)
    for name in ("exact", "prompt"):
        fits = Recipe.model_validate({"name": "w", "train": {"method": "grpo", "rl": {"rewards": {name: 1.0}}}})
        assert len(rl_rows(groups, fits)) == 1


def test_the_length_is_generates_where_rl_names_none() -> None:
    recipe = Recipe.model_validate({"name": "r", "generate": {"max_new_tokens": 17}, "train": {"method": "grpo"}})
    assert resolved(recipe.train, recipe).reinforcement.max_new_tokens == 17
    named = Recipe.model_validate({"name": "r", "train": {"method": "grpo", "rl": {"max_new_tokens": 5}}})
    assert resolved(named.train, named).reinforcement.max_new_tokens == 5
