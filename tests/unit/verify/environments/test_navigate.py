"""Mazes: solvable, graded, walked in any notation, and right by whatever way reaches the goal."""

from __future__ import annotations

import json
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.errors import VerifierError
from ratchet.records import EnvironmentRef
from ratchet.verify.applying import apply
from ratchet.verify.environments import MazeState, environment_rules, for_prompts, maze, ref_of
from ratchet.verify.environments.states import read
from tests.rows import completion, group, prompt
from tests.unit.verify.environments.asked import asked, verdict

# S..      The way along the top, or down and round.
# .#.
# ..G
STATE = MazeState(rows=("...", ".#.", "..."), start=(0, 0), goal=(2, 2))
PROMPT = asked(STATE, [maze.picture(STATE)], "right right down down")
RULE = environment_rules(None)["navigate"]
mazes = st.builds(lambda seed, level: maze.draw(random.Random(seed), level), st.integers(0, 2**32), st.integers(0, 4))


def said(answer: str) -> tuple[bool | None, float | None, str]:
    found = verdict(RULE, PROMPT, answer)
    return found.passed, found.score, found.reason


@pytest.mark.parametrize(
    "answer",
    [
        "right right down down",
        "R R D D",
        "RRDD",
        "rr dd",
        "→ → ↓ ↓",
        "→→↓↓",
        "right, right, down, down.",
        '["right", "right", "down", "down"]',
        "right -> right -> down -> down",
        "east east south south",
        "I think so. <answer>right right down down</answer>",
        "<think>left left</think> \\boxed{RRDD}",
        "down down right right",
        "right left right right down down",
        "down down right right up",
    ],
)
def test_every_way_to_the_goal_in_every_notation_is_right(answer: str) -> None:
    assert said(answer) == (True, 1.0, "goal")


@pytest.mark.parametrize(
    ("answer", "score", "reason"),
    [
        ("right right down", 0.75, "short"),
        ("right", 0.25, "short"),
        ("right left", 0.0, "short"),
        ("right down right", 0.25, "wall"),
        ("up", 0.0, "wall"),
        ("right " * 8 + "down down", 0.5, "wall"),
        ("right left " * 50, 0.0, "too_long"),
        ("go right and then down", 0.0, "unparsed"),
        ("right right dawn down", 0.0, "unparsed"),
        ("ｒight rіght", 0.0, "unparsed"),  # a Cyrillic letter is no Latin one
        ("", 0.0, "unparsed"),
        ("__import__('os')", 0.0, "unparsed"),
        ("<answer>right</answer> <answer>down</answer>", 0.0, "ambiguous"),
        ("<answer>right right down down", 0.0, "unparsed"),
    ],
)
def test_a_way_that_does_not_reach_it_scores_how_far_it_came(answer: str, score: float, reason: str) -> None:
    assert said(answer) == (False, score, reason)


def test_steps_and_efficiency_are_told_in_parts() -> None:
    found = verdict(RULE, PROMPT, "right left right right down down")
    assert {part.name: part.score for part in found.parts} == {"steps": 6, "efficiency": pytest.approx(4 / 6)}


@settings(max_examples=40, deadline=None)
@given(mazes)
def test_a_drawn_maze_is_solved_by_its_way_and_by_nothing_shorter(drawn: maze.Maze) -> None:
    one = asked(drawn.state, [maze.picture(drawn.state)], " ".join(drawn.way))
    assert RULE.self_check(one) is None
    assert verdict(RULE, one, " ".join(drawn.way)).passed
    assert verdict(RULE, one, " ".join(drawn.way[:-1])).passed is False
    assert 0 <= drawn.difficulty <= 1


@settings(max_examples=60, deadline=None)
@given(mazes, st.text() | st.lists(st.sampled_from([*maze.MOVES, "R", "→", "x", ","])).map(" ".join))
def test_whatever_is_said_gets_a_score_and_passes_only_at_the_goal(drawn: maze.Maze, answer: str) -> None:
    found = verdict(RULE, asked(drawn.state, [maze.picture(drawn.state)]), answer)
    assert found.score is not None
    assert 0 <= found.score <= 1
    assert found.passed == (found.reason == "goal") == (found.score == 1)


def test_harder_levels_are_larger_and_longer_to_walk() -> None:
    ways = [[len(maze.draw(random.Random(seed), level).way) for seed in range(40)] for level in range(len(maze.LEVELS))]
    means = [sum(one) / len(one) for one in ways]
    assert means == sorted(means)
    assert maze.draw(random.Random(0), 0).difficulty < maze.draw(random.Random(0), 4).difficulty


def test_a_megabyte_of_moves_takes_no_longer_than_the_walk_is_long() -> None:
    start = time.process_time()
    assert said("right left " * 100_000)[2] == "too_long"
    assert said("x" * 1_000_000)[2] == "unparsed"
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ('{"rows": ["#"], "start": [0, 0], "goal": [0, 0]}', "start .* is no free cell"),
        ('{"rows": ["..", "."], "start": [0, 0], "goal": [0, 1]}', "of one length"),
        ('{"rows": [".."], "start": [0, 0], "goal": [0, 0]}', "same cell"),
        ('{"rows": [".."], "start": [0, 0], "goal": [0, 9]}', "goal .* no free cell"),
        ('{"rows": [".."], "start": [0, 0], "goal": [0, 1], "cell": 100000}', "cell"),
        ("{", "not valid"),
        ("[" * 60_000, "not valid"),
        ("x" * 70_000, "70000 characters"),
    ],
)
def test_a_state_that_is_none_is_told(state: str, words: str) -> None:
    with pytest.raises(VerifierError, match=words):
        read(EnvironmentRef(name="navigate", state=state))


def test_a_maze_without_a_way_fails_its_self_check() -> None:
    state = MazeState(rows=(".#.",), start=(0, 0), goal=(0, 2))
    assert "no way leads" in (RULE.self_check(asked(state, [maze.picture(state)])) or "")


def test_a_reference_that_stops_short_fails_its_self_check() -> None:
    one = asked(STATE, [maze.picture(STATE)], "right right")
    assert "does not accept the reference" in (RULE.self_check(one) or "")


def test_a_prompt_without_an_environment_is_unscored_and_told() -> None:
    assert "needs a prompt with an environment" in (RULE.self_check(prompt()) or "")
    one = group(0).model_copy(update={"completions": (completion(0, "right"),)})
    (found,) = apply([one], ["navigate"], 5.0, for_prompts(None))[0].completions[0].verdicts
    assert (found.score, found.passed) == (None, None)
    assert "environment" in (found.error or "")


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=6)
    | st.sampled_from(["...", "#.", "svg", "rotate"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["rows", "start", "goal", "cell", "language", "kind", "done"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["navigate", "draw", "transforms", "chess"]), _json.map(json.dumps) | st.text())
def test_any_text_is_a_state_or_is_told_to_be_none(name: str, state: str) -> None:
    try:
        found = read(EnvironmentRef(name=name, state=state))
    except VerifierError:
        return
    assert read(ref_of(found)) == found
