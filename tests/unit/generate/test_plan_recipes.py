"""What of a plan can be told from the recipe alone."""

from __future__ import annotations

import pytest

from ratchet.errors import RecipeError
from ratchet.recipe import parse


@pytest.mark.parametrize(
    ("generate_", "prompts", "said"),
    [
        ({"weakness": {}}, {}, r"generate\.prompts is null, which takes all; set generate\.prompts below the pool"),
        ({"weakness": {}, "prompts": 50}, {"pool": 50}, r"50 takes the whole pool \(prompts\.pool 50\)"),
        ({"weakness": {}, "prompts": 9}, {"validation": 0}, r"prompts\.validation is 0; raise it"),
        ({"tune": {}}, {"validation": 0}, r"prompts\.validation is 0; raise it"),
        ({"tune": {}, "strategy": {"name": "random", "temperature": 0.7}}, {}, "every strategy names its own"),
        ({"tune": {}, "strategy": "reference"}, {}, "or samples nothing"),
        ({"tune": {"temperatures": [0, 1]}}, {}, "temperature 0 is greedy and gives 8 times the same"),
        ({"tune": {"temperatures": [1, 1]}}, {}, "a temperature is there twice"),
        ({"weakness": {}, "prompts": 9, "engine": {"kind": "endpoint", "serves": "teacher"}}, {}, "serves a teacher"),
    ],
)
def test_a_guide_that_cannot_work_is_refused_with_the_recipe(generate_, prompts, said):
    with pytest.raises(RecipeError, match=said):
        parse({"name": "a", "generate": generate_, "prompts": prompts})


@pytest.mark.parametrize(
    ("generate_", "prompts"),
    [
        ({"weakness": {}, "prompts": 50}, {"pool": 50, "source": "mine"}),
        ({"weakness": {}, "prompts": 50}, {"pool": 50, "pictures": "photos"}),
        ({"tune": {}}, {"validation": 0, "source": "mine"}),
        ({"weakness": {}, "prompts": 9, "engine": {"kind": "endpoint", "serves": "seed"}}, {}),
        ({"tune": {}, "strategy": ["random", {"name": "sima", "temperature": 0.7}]}, {}),
    ],
)
def test_a_guide_that_may_work_is_left_to_the_round(generate_, prompts):
    assert parse({"name": "a", "generate": generate_, "prompts": prompts}).name == "a"
