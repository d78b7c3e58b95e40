"""Groups that count, rows that are alike, the supervised term: against values worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ratchet.train.rl.active import alike, selected, share, supervised
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


@pytest.mark.parametrize("loss", ["grpo", "dr_grpo", "luspo", "rloo", "bnpo", "dapo"])
def test_the_loss_of_fewer_rows_is_that_of_all(loss: str) -> None:
    given = batch([[5, 1, 0], [5, 1, 0], [7, 8, 1], [6, 1, 0]], [0.5, 0.5, -1.0, 1.0])
    per_token = {5: 0.1, 6: 0.2, 7: 0.3, 8: 0.4, 1: 0.5, 0: 9.0}
    rows = torch.arange(4)
    kept, counts = alike(given, rows)
    fewer = selected(given, kept)
    fewer["advantages"] = fewer["advantages"] * counts * share(given, rows, kept, loss)

    def of(part: dict[str, Any]) -> float:
        values = torch.tensor([[per_token[token] for token in row] for row in part["completion_ids"].tolist()])
        mask = part["completion_mask"]
        weighed = values * part["advantages"][:, None] * mask
        if loss == "grpo":
            return float((weighed.sum(1) / mask.sum(1)).mean())
        if loss == "bnpo":
            return float(weighed.sum() / mask.sum())
        return float(weighed.sum() / (9 if loss == "dapo" else len(mask)))

    assert len(kept) == 3
    assert of(fewer) == pytest.approx(of(given))


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
    found = supervised(logps, mask, torch.tensor([True, True, False]))
    # ((ln 2 + ln 4) / 2 + ln 8) / 2
    assert found.item() == pytest.approx((1.5 * math.log(2) + 3 * math.log(2)) / 2)
    nothing = supervised(logps, mask, torch.tensor([False] * 3))
    nothing.backward()
    assert nothing.item() == 0.0
    assert float(logps.grad.abs().sum()) == 0.0  # type: ignore[union-attr]


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
