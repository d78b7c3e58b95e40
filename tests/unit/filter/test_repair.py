from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ratchet.filter.repair import repair
from ratchet.filter.settle import Settled, settle
from ratchet.recipe import FilterConfig, RepairConfig, VerifyConfig
from ratchet.records import Completion, Group, Pair, Verdict
from tests.unit.filter.cases import completion, prompt


def scored(index: int, mark: str, score: float | None, text: str | None = None) -> Completion:
    """A completion with a rule's verdict by `mark` and a second opinion that says only a score."""
    one = completion(index, mark, text)
    second = Verdict(verifier="sees", version="1", score=score, passed=None, reason="measured", error=None)
    return one.model_copy(update={"verdicts": (*one.verdicts, second)})


def settled(*completions: Completion, do: str = "drop", **config: object) -> Settled:
    given = {"pairs": {"repair": {"by": "sees", "do": do}}, **config}
    group = Group(prompt=prompt(), completions=completions)
    # Only the rule decides who is right: with policy all, the second opinion would lower the score.
    return settle(group, VerifyConfig(policy="weighted", weights={"v": 1}), FilterConfig.model_validate(given))


def test_a_pair_in_the_verifiers_order_stays() -> None:
    made = settled(scored(0, "+", 0.9), scored(1, "-", 0.2))
    assert [(p.chosen, p.rejected, p.reason) for p in made.pairs] == [(0, 1, "match_over_wrong")]
    assert not made.mended


def test_a_misordered_pair_is_dropped_or_swapped() -> None:
    wrong = scored(0, "+", 0.2), scored(1, "-", 0.9)
    dropped = settled(*wrong)
    assert (dropped.pairs, dropped.uses, dropped.mended) == ((), ("rl", "sft"), {"misordered": 1})
    (pair,) = settled(*wrong, do="swap").pairs
    assert (pair.chosen, pair.rejected, pair.margin, pair.reason) == (1, 0, 0.7, "swapped_by_sees")


def test_a_group_that_only_had_misordered_pairs_is_dropped_as_such() -> None:
    made = settled(scored(0, "+", 0.2), scored(1, "-", 0.9), uses=["preference"])
    assert (made.reason, made.uses) == ("misordered", ())


def test_a_pair_that_the_verifier_did_not_score_stays_and_is_counted() -> None:
    made = settled(scored(0, "+", 0.5), completion(1, "-"))
    assert (len(made.pairs), made.mended) == (1, {"uncompared": 1})


@given(st.lists(st.none() | st.floats(0, 1), min_size=2, max_size=6), st.sampled_from(["swap", "drop"]), st.data())
def test_after_repair_no_compared_pair_is_misordered_and_all_are_counted(
    scores: list[float | None], do: str, data: st.DataObject
) -> None:
    completions = [scored(i, "+", score) for i, score in enumerate(scores)]
    ends = st.tuples(st.integers(0, len(scores) - 1), st.integers(0, len(scores) - 1)).filter(lambda e: e[0] != e[1])
    pairs = [Pair(chosen=a, rejected=b, margin=1, reason="r") for a, b in data.draw(st.lists(ends, max_size=6))]
    left, counts = repair(pairs, completions, RepairConfig(by="sees", do=do))  # type: ignore[arg-type]
    for pair in left:
        one, other = scores[pair.chosen], scores[pair.rejected]
        assert one is None or other is None or one >= other
    assert len(pairs) == len(left) + counts["misordered"]
    assert counts["swapped"] == sum(p.reason == "swapped_by_sees" for p in left)
