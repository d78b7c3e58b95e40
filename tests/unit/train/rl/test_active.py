"""Groups that count, rows that are alike, the supervised term: against values worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ratchet.train.rl.active import alike, distinct, padded, selected, share, supervised
from ratchet.train.rl.earned import differing, told
from ratchet.train.rl.rewards import Reward

SCORES = st.lists(st.sampled_from([None, 0.0, 0.3, 1.0]), min_size=4, max_size=4)


def batch(ids: list[list[int]], advantages: list[float], **more: Any) -> dict[str, Any]:
    completions = torch.tensor(ids)
    return {
        "group": torch.arange(len(ids)) // 2,
        "advantages": torch.tensor(advantages),
        "completion_ids": completions,
        "completion_mask": (completions > 0).long(),
        **more,
    }


def test_groups_that_differ_count_and_what_is_not_scored_never_does() -> None:
    assert differing([1.0, 0.0, 0.3, 0.3, None, 1.0, None, None], 2) == [True, True] + [False] * 6
    assert differing([1.0, None, 0.0], 3) == [True, False, True]
    with pytest.raises(ValueError, match="3 completions are no multiple of k=2"):
        differing([1.0, 0.0, 1.0], 2)


@given(st.lists(SCORES, min_size=1, max_size=5))
def test_a_group_counts_as_it_would_alone(groups: list[list[float | None]]) -> None:
    together = differing([one for group in groups for one in group], 4)
    assert together == [one for group in groups for one in differing(group, 4)]


def test_rows_that_are_alike_become_one_with_their_number() -> None:
    given = batch([[5, 1], [5, 1], [5, 1], [7, 1], [9, 1], [9, 1]], [1.0, 1.0, 1.0, -1.0, 0.5, 0.25])
    kept, counts = alike(given, torch.arange(6))
    # Row 2 is of another group than rows 0 and 1; rows 4 and 5 say the same and earned otherwise.
    assert (kept.tolist(), counts.tolist()) == ([0, 2, 3, 4, 5], [2, 1, 1, 1, 1])


def of(loss: str, part: dict[str, Any], generated: float = 9.0) -> float:
    """Losses in TRL's ways of dividing, of tokens whose own loss is 0.1 times their number."""
    mask = part["completion_mask"]
    weighed = part["completion_ids"] * 0.1 * part["advantages"][:, None] * mask
    if loss == "grpo":
        return float((weighed.sum(1) / mask.sum(1).clamp(min=1)).mean())
    if loss == "bnpo":
        return float(weighed.sum() / mask.sum().clamp(min=1))
    return float(weighed.sum() / (generated if loss == "dapo" else len(mask)))


DIVISIONS = ["grpo", "dr_grpo", "luspo", "rloo", "bnpo", "dapo"]


@pytest.mark.parametrize("spare", [0, 2])
@pytest.mark.parametrize("loss", DIVISIONS)
def test_the_loss_of_fewer_rows_is_that_of_all(loss: str, spare: int) -> None:
    given = batch([[5, 1, 0], [5, 1, 0], [7, 8, 1], [6, 1, 0]], [0.5, 0.5, -1.0, 1.0])
    kept, counts = alike(given, torch.arange(4))
    assert len(kept) == 3
    fewer = padded(given, kept, counts, 3 + spare)
    passed = {"rows": 3.0 + spare, "tokens": 7.0, "generated": 9.0}
    fewer["advantages"] *= counts.new_tensor([*counts, *[0] * spare])
    fewer["advantages"] *= share(loss, passed, {"rows": 4.0, "tokens": 9.0, "generated": 9.0})
    assert of(loss, fewer) == pytest.approx(of(loss, given))


@pytest.mark.parametrize("loss", DIVISIONS)
def test_two_processes_have_the_mean_loss_of_what_counts_in_both(loss: str) -> None:
    """One has a row that counts, of two tokens; the other three, of two, three and two. A tenth of a token is its loss."""
    parts = [batch([[5, 1, 0], [9, 9, 9]], [2.0, 0.0]), batch([[6, 1, 0], [7, 8, 1], [4, 1, 0]], [-1.0, 1.0, 0.5])]
    counting = [[0], [0, 1, 2]]
    passed = {"rows": 3.0, "tokens": 9 / 2, "generated": 12 / 2}
    counted = {"rows": 4 / 2, "tokens": 9 / 2, "generated": 9 / 2}
    losses = []
    for part, rows in zip(parts, counting, strict=True):
        fewer = padded(part, torch.tensor(rows), torch.ones(len(rows), dtype=torch.long), 3)
        fewer["advantages"] = fewer["advantages"] * share(loss, passed, counted)
        own = float(fewer["completion_mask"].sum())
        losses.append(of(loss, fewer, 12 / 2) * (own / passed["tokens"] if loss == "bnpo" else 1.0))
    # Sums of a row: 1.2, -.7, 1.6, .25; means of its tokens: .6, -.35, 1.6 / 3, .125.
    wanted = {"grpo": (0.6 - 0.35 + 1.6 / 3 + 0.125) / 4, "bnpo": 2.35 / 9, "dapo": 2.35 / 9}.get(loss, 2.35 / 4)
    assert sum(losses) / 2 == pytest.approx(wanted)


@pytest.mark.parametrize("loss", DIVISIONS)
def test_where_nothing_counts_a_row_of_no_weight_is_passed(loss: str) -> None:
    given = batch([[5, 1, 0], [7, 8, 1]], [1.0, -1.0], old_logps=torch.tensor([-200.0, -3.0]), right=torch.ones(2))
    rows, times = alike(given, torch.arange(0))
    found = padded(given, rows, times, 1)
    assert (
        share(loss, {"rows": 1.0, "tokens": 0.0, "generated": 9.0}, dict.fromkeys(("rows", "tokens", "generated"), 0.0))
        == 0
    )
    assert found["completion_ids"].tolist() == [[5, 1, 0]]
    assert found["completion_mask"].tolist() == [[0, 0, 0]]
    assert [found[name].tolist() for name in ("advantages", "times", "old_logps", "right")] == [
        [0.0],
        [0],
        [0.0],
        [0.0],
    ]


@pytest.mark.parametrize("layout", ["by_row", "by_image", "by_patch"])
def test_pictures_go_with_their_rows(layout: str) -> None:
    images = [1, 2, 1, 1]
    pixels = {
        "by_row": torch.tensor([[0.0], [1.0], [2.0], [3.0]]),
        "by_image": torch.tensor([[0.0], [10.0], [11.0], [2.0], [3.0]]),
        "by_patch": torch.tensor([[0.0], [0.5], [10.0], [11.0], [11.5], [2.0], [3.0]]),
    }[layout]
    grid = torch.tensor([[1, 1, 2], [1, 1, 1], [1, 2, 1], [1, 1, 1], [1, 1, 1]])
    more = {"image_grid_thw": grid} if layout == "by_patch" else {}
    given = batch([[1]] * 4, [0.0] * 4, pixel_values=pixels, num_images=images, **more)
    found = selected(given, torch.tensor([1, 3]))
    wanted = {"by_row": [1.0, 3.0], "by_image": [10.0, 11.0, 3.0], "by_patch": [10.0, 11.0, 11.5, 3.0]}[layout]
    assert found["pixel_values"].flatten().tolist() == wanted
    assert found["num_images"] == [2, 1]
    if layout == "by_patch":
        assert found["image_grid_thw"].tolist() == grid[[1, 2, 4]].tolist()


def test_the_supervised_term_is_the_mean_over_right_answers_of_their_mean_token_loss() -> None:
    logps = torch.tensor([[0.5, 0.25], [0.125, 1.0], [0.5, 0.5]]).log().requires_grad_()
    mask = torch.tensor([[1, 1], [1, 0], [1, 1]])
    found = supervised(logps, mask, torch.tensor([1.0, 1.0, 0.0]), 2.0)
    # ((ln 2 + ln 4) / 2 + ln 8) / 2
    assert found.item() == pytest.approx((1.5 * math.log(2) + 3 * math.log(2)) / 2)
    nothing = supervised(logps, mask, torch.zeros(3), 0.0)
    nothing.backward()
    assert nothing.item() == 0.0
    assert float(logps.grad.abs().sum()) == 0.0  # type: ignore[union-attr]


def test_an_answer_that_was_given_often_is_one_right_answer() -> None:
    given = batch([[5, 1], [5, 1], [5, 1], [7, 1], [5, 1], [0, 0]], [1.0] * 6, group=torch.tensor([0] * 4 + [1] * 2))
    weights = distinct(given, torch.tensor([True, True, True, True, True, True]))
    # Three times the same in one group; in the other the same words answer another question, and one is masked.
    assert weights.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1.0, 1.0, 0.0])
    wrong = distinct(given, torch.tensor([True, False, False, False, False, False]))
    assert wrong.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    logps = -given["completion_ids"].float()
    whole = supervised(logps, given["completion_mask"], weights, 3.0)
    kept, times = alike(given, torch.arange(6))
    fewer = padded({**given, "right": weights}, kept, times, 7)
    once = supervised(-fewer["completion_ids"].float(), fewer["completion_mask"], fewer["right"] * fewer["times"], 3.0)
    # (3 + 4 + 3) / 3
    assert whole.item() == pytest.approx(10 / 3)
    assert once.item() == pytest.approx(10 / 3)


def test_what_is_told_of_a_step() -> None:
    rewards = [
        Reward(1.0, True, {"a": 1.0, "b": None}),
        Reward(0.0, False, {"a": 0.0}),
        Reward(None, None, {"b": None}),
        Reward(None, None, {}),
        Reward(0.5, None, {"b": 0.5}),
        Reward(0.5, None, {"b": 0.5}),
    ]
    assert told(rewards, 2) == {
        "verifier/a": 0.5,
        "verifier/b": 0.5,
        "completions/unscored": pytest.approx(1 / 3),
        "groups/unscored": pytest.approx(1 / 3),
        "groups/zero_variance": pytest.approx(1 / 3),
    }
