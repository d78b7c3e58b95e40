"""Which rows an epoch sees, how often and in which order."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ratchet.recipe import TrainConfig, VerifyConfig
from ratchet.recipe.training.curriculum import CurriculumConfig, GrowthConfig
from ratchet.records import Completion, Group, Message, Shown, Verdict
from ratchet.train.curriculum import Facts, Known, RowOrder, band, band_name, expected_visits, facts_of, grown, intake
from ratchet.train.rows import sft_rows
from tests import tiny
from tests.unit.train.builders import completion, group_of

RATES = st.none() | st.floats(0, 1)
FACTS = st.lists(
    st.builds(Facts, st.text("abc", min_size=1), st.sampled_from(["add", "count", "pair"]), RATES, st.integers(1, 3)),
    min_size=1,
    max_size=60,
)
CURRICULA = st.builds(
    CurriculumConfig,
    order=st.sampled_from(["shuffled", "easy_first", "hard_first"]),
    bands=st.integers(2, 6),
    modalities=st.none() | st.permutations(["one_picture", "many_pictures"]).map(tuple) | st.just(("many_pictures",)),
    skills=st.none() | st.just(("count",)),
    balance=st.sampled_from(["none", "skill", "difficulty"]),
    balance_power=st.floats(0.1, 1),
)


def facts(**of: Sequence[object]) -> tuple[Facts, ...]:
    """One row for each place of the columns."""
    n = len(next(iter(of.values())))
    columns = {"skill": ["s"] * n, "pass_rate": [None] * n, "pictures": [1] * n, **of}
    rows = zip(*columns.values(), strict=True)
    return tuple(Facts(f"p{i}", **dict(zip(columns, row, strict=True))) for i, row in enumerate(rows))


@given(FACTS, CURRICULA, st.integers(0, 2**31), st.integers(0, 5), st.integers(1, 4))
@settings(deadline=None)
def test_an_epoch_sees_every_row_once_or_as_often_as_expected(
    rows: list[Facts], config: CurriculumConfig, seed: int, number: int, multiple: int
) -> None:
    order = RowOrder(tuple(rows), seed, config)
    epoch = order.epoch(number)
    assert epoch == order.epoch(number), "the order must not depend on when it is asked for"
    counts = Counter(epoch)
    assert len(epoch) == len(rows)
    if config.balance == "none":
        assert set(counts.values()) == {1}
    else:
        cells = [one.skill if config.balance == "skill" else order.band_of(one) for one in rows]
        for place, expected in enumerate(expected_visits(cells, config.balance_power)):
            assert expected - 1 < counts[place] < expected + 1
    whole = order.epoch(number, multiple)
    assert len(whole) == len(rows) // multiple * multiple
    assert not Counter(whole) - counts


@given(FACTS, CURRICULA, st.integers(0, 2**31))
@settings(deadline=None)
def test_modality_comes_before_skill_and_skill_before_difficulty(
    rows: list[Facts], config: CurriculumConfig, seed: int
) -> None:
    def key(one: Facts) -> tuple[int, int, int]:
        many = int(one.pictures > 1)
        first = 0 if config.modalities is None else int(many != (config.modalities[0] == "many_pictures"))
        skill = 0 if config.skills is None else int(one.skill != "count")
        found = band(one.pass_rate, config.bands)
        sign = -1 if config.order == "easy_first" and one.pass_rate is not None else 1
        return first, skill, 0 if config.order == "shuffled" else sign * found

    keys = [key(rows[place]) for place in RowOrder(tuple(rows), seed, config).epoch(0)]
    assert all(a <= b for a, b in itertools.pairwise(keys))


def test_bands_go_from_easy_to_hard_and_are_shuffled_within() -> None:
    rows = facts(pass_rate=[0.1, 0.9, 0.5, None, 0.95, 1.0, 0.0, 0.15] * 8)
    for name, bands in (("easy_first", [4, 2, 0, 5]), ("hard_first", [0, 2, 4, 5])):
        order = RowOrder(rows, 1, CurriculumConfig(order=name))
        epochs = [order.epoch(n) for n in range(3)]
        for epoch in epochs:
            assert [b for b, _ in itertools.groupby(band(rows[i].pass_rate, 5) for i in epoch)] == bands
            assert epoch[:24] != sorted(epoch[:24])
        assert epochs[0] != epochs[1] != epochs[2]


def test_another_seed_is_another_order() -> None:
    rows = facts(skill=["s"] * 20)
    assert RowOrder(rows, 1, CurriculumConfig()).epoch(0) != RowOrder(rows, 2, CurriculumConfig()).epoch(0)


def test_the_expected_visits_are_those_computed_by_hand() -> None:
    # 8 rows of a, 2 of b. Power 1: 5 visits a cell; power .5: cells in the ratio sqrt(8) : sqrt(2) = 2 : 1.
    cells = ["a"] * 8 + ["b"] * 2
    assert expected_visits(cells, 1.0).tolist() == pytest.approx([5 / 8] * 8 + [5 / 2] * 2)
    assert expected_visits(cells, 0.5).tolist() == pytest.approx([10 * 2 / 3 / 8] * 8 + [10 / 3 / 2] * 2)


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_the_visits_of_many_epochs_are_those_expected(power: float) -> None:
    rows = facts(skill=["a"] * 8 + ["b"] * 2)
    order = RowOrder(rows, 3, CurriculumConfig(balance="skill", balance_power=power))
    visits = sum((Counter(order.epoch(n)) for n in range(2000)), Counter())
    for place, expected in enumerate(expected_visits([one.skill for one in rows], power)):
        assert visits[place] / 2000 == pytest.approx(expected, abs=0.04)


def test_difficulty_is_balanced_by_bands_of_pass_rate() -> None:
    rows = facts(pass_rate=[0.9] * 6 + [0.1] * 2)
    order = RowOrder(rows, 3, CurriculumConfig(balance="difficulty", balance_power=1.0))
    assert order.seen(8).total() == 8
    assert Counter(band_name(band(rows[i].pass_rate, 5), 5) for i in order.epoch(0)) == {"0.8-1": 4, "0-0.2": 4}


def test_what_is_over_is_drawn_and_not_the_hardest_rows() -> None:
    rows = facts(pass_rate=[0.9] * 5 + [0.1] * 5)
    order = RowOrder(rows, 1, CurriculumConfig(order="easy_first"))
    left = Counter(next(iter(set(range(10)) - set(order.epoch(n, 3)))) for n in range(200))
    assert set(left) == set(range(10))


def test_more_rounds_take_more_rows_and_all_of_the_earlier_ones() -> None:
    rows = facts(skill=["s"] * 1000)
    growth = GrowthConfig(start=0.3, step=0.3)
    taken = [set(grown(rows, growth, number)) for number in (1, 2, 3, 4)]
    assert taken[0] < taken[1] < taken[2] < taken[3] == set(range(1000))
    for share, some in zip((0.3, 0.6, 0.9), taken, strict=False):
        assert len(some) / 1000 == pytest.approx(share, abs=0.05)
    other_round = rows[500:] + facts(skill=["s"] * 1000)
    assert {other_round[i].prompt_id for i in grown(other_round, growth, 1)} == {rows[i].prompt_id for i in taken[0]}


def test_all_rows_of_a_prompt_are_taken_together() -> None:
    rows = [Facts(f"p{i // 4}", "s", None, 1) for i in range(400)]
    taken = {rows[i].prompt_id for i in grown(rows, GrowthConfig(), 1)}
    assert sum(one.prompt_id in taken for one in rows) == len(grown(rows, GrowthConfig(), 1))


def checked(index: int, score: float, *, shown: Shown | None = None) -> Completion:
    verdict = Verdict(verifier="v", version="1", score=score, passed=score == 1.0, reason="match")
    return completion(index, f"answer {index}").model_copy(update={"verdicts": (verdict,), "input": shown})


def test_the_pass_rate_is_of_the_models_own_attempts() -> None:
    (prompt,), _ = tiny.world("pool", 1, ["pair"])
    alone = Shown(messages=prompt.messages, images=())
    group = Group(
        prompt=prompt,
        completions=(
            checked(0, 1.0),
            checked(1, 0.0),
            checked(2, 0.0),
            completion(3, "?"),
            checked(4, 1.0, shown=alone),
        ),
        replayed=3,
    )
    assert facts_of(group, VerifyConfig()) == Facts(prompt.id, "pair", 1 / 3, 2, 3)
    assert facts_of(group, VerifyConfig(policy="none")).pass_rate is None


def test_rows_find_their_facts_by_what_is_asked() -> None:
    prompts, _ = tiny.world("pool", 6, ("caption", "pair"))
    groups = [group_of(prompt) for prompt in prompts]
    known = Known(VerifyConfig())
    rows = sft_rows(known.noting(groups))
    assert [known.of(row).prompt_id for row in rows] == sorted(prompt.id for prompt in prompts)
    shown = Shown(messages=(Message(role="user", content="look !"),), images=prompts[0].images)
    group = Group(prompt=prompts[0], completions=(checked(0, 1.0, shown=shown),))
    list(known.noting([group]))
    asked = {"prompt": [{"role": "user", "content": "look !"}], "images": [one.sha256 for one in prompts[0].images]}
    assert known.of(asked).prompt_id == prompts[0].id


def test_the_intake_counts_rows_and_visits() -> None:
    rows = (
        Facts("p0", "add", 0.1, 1),
        Facts("p1", "add", 0.9, 1, replayed=2),
        Facts("p2", "count", None, 2),
    )
    order = RowOrder(rows, 1, CurriculumConfig(order="easy_first"), left_out=7)
    assert order.epoch(0) == [1, 0, 2]
    # Four visits: an epoch, and the first of the next.
    found = intake(order, order.seen(4)).model_dump()
    assert found == {
        "left_out": 7,
        "replayed": 1,
        "skills": {"add": {"rows": 2, "visits": 3}, "count": {"rows": 1, "visits": 1}},
        "bands": {
            "0-0.2": {"rows": 1, "visits": 1},
            "0.8-1": {"rows": 1, "visits": 2},
            "unknown": {"rows": 1, "visits": 1},
        },
    }


@pytest.mark.parametrize(
    ("given_config", "said"),
    [
        ({"curriculum": {"modalities": ["one_picture", "one_picture"]}}, "name each once"),
        ({"curriculum": {"skills": ["a", "a"]}}, "skills names a, a; name each once"),
        ({"curriculum": {"modalities": ["text"]}}, "one_picture"),
        ({"curriculum": {}, "trl": {"train_sampling_strategy": "sequential"}}, "both say in which order"),
    ],
)
def test_a_curriculum_that_says_two_things_is_refused(given_config: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TrainConfig.model_validate(given_config)
