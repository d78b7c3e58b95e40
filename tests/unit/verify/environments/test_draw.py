"""Draw it again: programs in three languages, what they draw, and how like the picture it is."""

from __future__ import annotations

import contextlib
import math
import random

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.artifacts import ImageBank
from ratchet.errors import VerifierUnavailable
from ratchet.recipe.verifiers.environments import DrawConfig
from ratchet.records import Group
from ratchet.tinyworld import sketch
from ratchet.tinyworld.draw import pixels
from ratchet.tinyworld.scene import COLOURS, KINDS, SHAPES, Scene, scatter, shapes
from ratchet.verify.environments import DrawState, EnvironmentRule, environment_rules
from ratchet.verify.environments.canvas import MOST_COMMANDS, BadDrawing, painted
from ratchet.verify.environments.likeness import likeness
from ratchet.verify.environments.verifiers import THRESHOLDS, draw
from ratchet.verify.judging import rights
from ratchet.verify.sandbox import Sandbox
from tests.rows import completion
from tests.unit.verify.environments.asked import Pixels, asked, noise, verdict

SVG = "<svg xmlns='http://www.w3.org/2000/svg' width='24' height='24'><rect width='24' height='24' fill='rgb(20,20,20)'/>{}</svg>"
RED = SVG.format("<rect x='2' y='2' width='10' height='10' fill='red'/>")
CODE = "canvas.background((20, 20, 20))\ncanvas.rectangle(2, 2, 12, 12, 'red')"


def red_square() -> Pixels:
    picture = np.full((24, 24, 3), 20, np.uint8)
    picture[2:12, 2:12] = (255, 0, 0)
    return picture


@pytest.fixture(scope="module")
def rule(bank: ImageBank) -> EnvironmentRule:
    return draw(DrawConfig(cpu_seconds=1), bank)


def scene_of(seed: int, most: int = 4) -> Scene:
    rng = random.Random(seed)
    return scatter(rng, shapes(rng, rng.randint(1, most)))


def said(
    rule: EnvironmentRule, bank: ImageBank, language: str, picture: Pixels, answer: str
) -> tuple[bool | None, str]:
    state = DrawState.model_validate({"language": language})
    found = verdict(rule, asked(state, [picture], bank=bank), answer)
    assert found.score is None or 0 <= found.score <= 1
    return found.passed, found.reason


@pytest.mark.parametrize("seed", range(8))
def test_right_words_draw_the_picture_and_one_wrong_word_does_not(
    rule: EnvironmentRule, bank: ImageBank, seed: int
) -> None:
    scene, rng = scene_of(seed, 6), random.Random(seed)
    words, picture = sketch.program(scene), pixels(scene)
    assert said(rule, bank, "words", picture, words) == (True, "match")
    parts = words.split(" , ")
    assert said(rule, bank, "words", picture, " , ".join(reversed(parts))) == (True, "match")
    place = rng.randrange(len(parts))
    colour, shape, *where = parts[place].split()
    for wrong in [
        *([c, shape, *where] for c in COLOURS if c != colour),
        *([colour, s, *where] for s in SHAPES if s != shape),
    ]:
        told = " , ".join([*parts[:place], " ".join(wrong), *parts[place + 1 :]])
        assert said(rule, bank, "words", picture, told)[0] is False
    if len(parts) > 1:
        assert said(rule, bank, "words", picture, " , ".join(parts[1:])) == (False, "partial")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("nothing", "wrong"),
        ("red circle", "unparsed"),
        ("red circle top left , red circle top left", "unparsed"),
        (", red circle top left", "unparsed"),
        ("purple circle top left", "unparsed"),
        ("red сircle top left", "unparsed"),  # a Cyrillic с
        ("canvas.rectangle(0, 0, 48, 48, 'red')", "unparsed"),
        ("<answer>red circle top left</answer><answer>blue circle top left</answer>", "ambiguous"),
        ("", "unparsed"),
        ("red circle top left , " * 50_000, "unparsed"),
        ("(" * 1_000_000, "unparsed"),
    ],
)
def test_what_are_no_drawing_words_or_no_drawing_scores_nothing(
    rule: EnvironmentRule, bank: ImageBank, answer: str, reason: str
) -> None:
    assert said(rule, bank, "words", pixels(scene_of(1)), answer) == (False, reason)


def test_everything_everywhere_is_not_like_a_picture(rule: EnvironmentRule, bank: ImageBank) -> None:
    everything = " , ".join(
        f"red square {row} {column}" for row in ("top", "middle", "bottom") for column in ("left", "center", "right")
    )
    for seed in range(5):
        found = verdict(rule, asked(DrawState(), [pixels(scene_of(seed))], bank=bank), everything)
        assert found.passed is False
        assert (found.score or 0) < 0.7


def test_an_empty_picture_is_drawn_by_nothing(rule: EnvironmentRule, bank: ImageBank) -> None:
    blank = pixels(Scene((None,) * 9, 5))
    assert said(rule, bank, "words", blank, "nothing") == (True, "match")
    assert said(rule, bank, "words", blank, "red circle top left")[0] is False


@pytest.mark.parametrize(
    ("language", "answer", "passed", "reason"),
    [
        ("svg", RED, True, "match"),
        ("svg", f"Here it is:\n```svg\n{RED}\n```\n", True, "match"),
        ("svg", f"<think>hm</think><answer>{RED}</answer>", True, "match"),
        ("svg", SVG.format("<rect x='2' y='2' width='10' height='10' fill='blue'/>"), False, "wrong"),
        ("svg", SVG.format(""), False, "wrong"),
        ("svg", SVG.format("<rect width='24' height='24' fill='red'/>"), False, "partial"),
        ("svg", SVG.format("<image href='/etc/passwd' width='9' height='9'/>"), False, "refused"),
        ("svg", SVG.format("<circle cx='NaN' cy='inf' r='-1'/>"), False, "wrong"),
        ("svg", "<svg", False, "raised"),
        ("svg", "red square top left", False, "unparsed"),
        ("python", CODE, True, "match"),
        ("python", f"```python\n{CODE}\n```", True, "match"),
        ("python", f"```python\n{CODE}\n```\n```python\npass\n```", False, "ambiguous"),
        ("python", "pass", False, "wrong"),
        ("python", "canvas.background('red')", False, "partial"),
        ("python", "canvas.circle(float('nan'), 2, 3, 'red')", False, "bad_drawing"),
        ("python", "canvas.circle(1e308 * 10, 2, 3, 'red')", False, "bad_drawing"),
        ("python", "canvas.rectangle(-1e300, -1e300, 1e300, 1e300, 'red')", False, "partial"),
        ("python", "canvas.rectangle(12, 12, 2, 2, 'red')\ncanvas.line(0, 0, 9, 9, 'red', 1e9)", False, "partial"),
        ("python", "canvas.background('no colour')", False, "bad_drawing"),
        ("python", "canvas.background((300, -1, 0))", False, "bad_drawing"),
        ("python", "canvas.commands = 7", False, "bad_drawing"),
        ("python", "for n in range(5000): canvas.line(0, n, 9, n, 'red')", False, "bad_drawing"),
        ("python", "while True: pass", False, "timeout"),
        ("python", "open('/etc/passwd')", False, "refused"),
        ("python", "x = [0] * 10 ** 9", False, "memory"),
        ("python", 'import os\nos.write(1, b\'[["background", "red"]]\' * 99999)', False, "too_large"),
        ("python", "1 / 0", False, "raised"),
        ("python", "pass # " + "x" * 1_000_000, False, "too_long"),
        ("python", "(" * 19_000, False, "raised"),
    ],
)
def test_programs_are_run_in_the_sandbox_and_judged_by_their_drawing(
    rule: EnvironmentRule, bank: ImageBank, language: str, answer: str, passed: bool, reason: str
) -> None:
    assert said(rule, bank, language, red_square(), answer) == (passed, reason)


def test_a_program_that_is_killed_by_nobodys_fault_is_unscored(
    rule: EnvironmentRule, bank: ImageBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ratchet.verify.sandbox import Outcome

    monkeypatch.setattr(Sandbox, "run", lambda *_: Outcome("stalled", detail="it waits"))
    found = verdict(rule, asked(DrawState(language="python"), [noise(8)], bank=bank), "pass")
    assert (found.score, found.passed, found.reason, found.detail) == (None, None, "stalled", "it waits")


def test_where_there_is_no_sandbox_the_stage_is_stopped_and_words_still_work(
    bank: ImageBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    fresh = draw(DrawConfig(), bank)
    with pytest.raises(VerifierUnavailable, match="Linux"):
        said(fresh, bank, "python", noise(8), "pass")
    assert said(fresh, bank, "words", pixels(scene_of(0)), sketch.program(scene_of(0)))[0]


def test_without_pictures_a_reference_is_only_read(bank: ImageBank) -> None:
    blind = environment_rules(None)["draw"]
    assert blind.self_check(asked(DrawState(), [noise()], "red circle top left")) is None
    assert "no program in words" in (blind.self_check(asked(DrawState(), [noise()], "a red circle")) or "")
    assert blind.self_check(asked(DrawState(language="svg"), [noise()])) is None
    with pytest.raises(VerifierUnavailable, match="pictures"):
        verdict(blind, asked(DrawState(), [noise()]), "nothing")


@pytest.mark.parametrize("seed", range(4))
def test_gold_is_accepted_and_its_corruption_rejected(rule: EnvironmentRule, bank: ImageBank, seed: int) -> None:
    scene = scene_of(seed)
    assert rule.self_check(asked(DrawState(), [pixels(scene)], sketch.program(scene), bank)) is None
    wrong = asked(DrawState(), [pixels(scene)], sketch.program(scene_of(seed + 50)), bank)
    assert "does not accept" in (rule.self_check(wrong) or "")
    assert rule.self_check(asked(DrawState(language="svg"), [red_square()], RED, bank)) is None
    assert rule.self_check(asked(DrawState(language="python"), [red_square()], CODE, bank)) is None


def test_a_threshold_of_the_recipe_takes_the_place_of_the_languages(bank: ImageBank) -> None:
    scene = scene_of(3, 6)
    words = sketch.program(scene).replace("circle", "square")
    strict, lax = draw(DrawConfig(), bank), draw(DrawConfig(threshold=0.5), bank)
    one = asked(DrawState(), [pixels(scene)], bank=bank)
    if words != sketch.program(scene):
        assert (verdict(strict, one, words).passed, verdict(lax, one, words).passed) == (False, True)
    assert THRESHOLDS["words"] > 0.99


things = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 8)), unique_by=lambda one: one[1], min_size=1, max_size=9
).map(lambda found: tuple(sorted(found, key=lambda one: one[1])))


@settings(max_examples=30, deadline=None)
@given(things, st.integers(0, 2**32))
def test_words_are_read_back_and_fit_the_picture_that_they_name(given_: sketch.Sketch, seed: int) -> None:
    from ratchet.tinyworld.scene import Thing

    cells = [next((Thing(*kind) for kind, cell in given_ if cell == n), None) for n in range(9)]
    scene = Scene(tuple(cells), seed)
    assert list(sketch.read(sketch.program(scene))) == [given_]
    drawn = sketch.painted(given_, pixels(scene))
    assert likeness(drawn, pixels(scene)) > THRESHOLDS["words"]


@settings(max_examples=150, deadline=None)
@given(
    st.text()
    | st.lists(
        st.sampled_from(
            ["red", "blue", "circle", "square", "top", "middle", "left", "center", ",", ",,", "nothing", "the"]
        ),
        max_size=12,
    ).map(" ".join)
)
def test_any_text_is_a_sketch_or_none_and_never_breaks(text: str) -> None:
    for found in sketch.read(text):
        assert len({cell for _, cell in found}) == len(found) <= 9


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_likeness_is_between_0_and_1_and_1_of_itself(one: int, other: int) -> None:
    first, second = noise(6, one), noise(6, other)
    assert likeness(first, first) == 1
    assert 0 <= likeness(first, second) <= 1
    assert likeness(np.full_like(first, 9), np.full_like(first, 9)) == 1


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=7),
    max_leaves=30,
)
_command = st.tuples(
    st.sampled_from(["background", "rectangle", "ellipse", "polygon", "line"]), st.lists(_json, max_size=6)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_command.map(lambda c: [c[0], *c[1]]) | _json, max_size=5) | _json)
def test_forged_commands_paint_or_are_refused_and_nothing_else(commands: object) -> None:
    with contextlib.suppress(BadDrawing):
        assert painted(orjson.dumps(commands), 6, 5).shape == (5, 6, 3)


@pytest.mark.parametrize(
    "output", [b"", b"{}", b"[" * 100_000, b"\xff", b"[NaN]", b"[[]]", b'[["line"]]', b'[["ellipse",0,0,1,1,[1,2]]]']
)
def test_forged_output_that_is_no_list_of_commands_is_refused(output: bytes) -> None:
    with pytest.raises(BadDrawing):
        painted(output, 4, 4)


def test_commands_paint_what_they_say() -> None:
    drawn = painted(orjson.dumps([["background", "white"], ["rectangle", 1, 1, 3, 3, [255, 0, 0]]]), 4, 4)
    assert (drawn[1:3, 1:3] == (255, 0, 0)).all()
    assert (drawn[0] == 255).all()
    circle = painted(orjson.dumps([["ellipse", 0, 0, 40, 40, "white"]]), 40, 40)
    assert circle.mean() / 255 == pytest.approx(math.pi / 4, abs=0.02)
    assert MOST_COMMANDS >= 1000


def test_what_prompts_ask_is_judged_with_their_pictures_wherever_it_is_needed(bank: ImageBank) -> None:
    scene = scene_of(2)
    one = asked(DrawState(), [pixels(scene)], bank=bank)
    groups = [
        Group(prompt=one, completions=tuple(completion(i, t) for i, t in enumerate((sketch.program(scene), "nothing"))))
    ]
    assert rights(groups, bank=bank) == [[True, False]]
    with pytest.raises(VerifierUnavailable, match="pictures"):
        rights(groups)
