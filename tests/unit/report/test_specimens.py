"""Rows of a collection in the report: word for word, beside what they were made from, and as text."""

from __future__ import annotations

import base64
import io
import re
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from ratchet import canonical
from ratchet.artifacts import GROUPS, Artifact, Manifest
from ratchet.artifacts.images import ref_of
from ratchet.records import Group, Message, Negative, Prompt, Shown
from ratchet.report import html
from ratchet.report.collect import collect
from ratchet.report.specimens import MOST, specimens
from ratchet.report.terminal import print_loop
from ratchet.report.view import LoopView
from ratchet.store import Store
from tests.tiny import pack, world
from tests.unit.loops import LOOP
from tests.unit.report.collected import answer, generated, steered_loop
from tests.unit.report.conftest import HOSTILE
from tests.unit.report.test_report_html import Elements


@pytest.fixture(scope="module")
def page(steered_view: LoopView) -> str:
    return html.render(steered_view)


def test_a_negative_stands_beside_what_it_was_made_from(steered_view: LoopView) -> None:
    found = {
        (s.kind, s.scenes[-1].name): s for s in steered_view.rounds[0].collection.specimens if s.family == "negative"
    }
    blurred = found["blur", "Shown instead"]
    assert [scene.name for scene in blurred.scenes] == ["Picture", "Shown instead"]
    assert blurred.scenes[0].pictures != blurred.scenes[1].pictures
    assert [(s.kind, s.text[0].text) for s in blurred.said][1] == ("wrong", "a blue triangle")
    assert blurred.about == "radius 4, seed 5"
    kept = found["blur", "Rejected input"]
    assert [s.kind for s in kept.said] == ["plain"]
    injected = found["inject", "Picture"]
    good, bad = injected.said
    assert [(w.text, w.marked) for w in good.text] == [
        ("a red circle left of a ", False),
        ("red", True),
        (" square", False),
    ]
    assert [w.text for w in bad.text if w.marked] == ["green"]
    assert injected.about == "fact attribute, red → green, seed 9"


def test_a_guided_answer_shows_what_the_model_saw_and_the_stored_question(steered_view: LoopView) -> None:
    seen, blind = [s for s in steered_view.rounds[0].collection.specimens if s.family == "guided"]
    assert [s.who for s in seen.said] == ["shown, user", "begun with", "answer"]
    assert seen.said[0].text[0].text == f"{seen.question} look at every object , then answer ."
    assert (seen.about, blind.about) == ("", "shown without the picture")


def test_questions_stand_with_their_answers_and_refusals_with_their_reason(steered_view: LoopView) -> None:
    made = {s.kind: s for s in steered_view.rounds[0].collection.specimens if s.family == "question"}
    assert made["asked"].question == "how many red squares ?"
    assert [s.who for s in made["asked"].said] == ["taken as right", *(f"answer {i}" for i in range(1, 5)), "and"]
    assert (made["refused"].question, made["refused"].about) == ("what ?", "unanswerable")


def test_pictures_in_the_page_are_the_artifacts_pictures(steered: Store, page: str) -> None:
    shown = [base64.b64decode(d) for d in re.findall(r'<img [^>]*src="data:image/png;base64,([^"]+)"', page)]
    known = {i.sha256 for g in Artifact.open(steered, generated(steered, 1).uri, GROUPS).rows() for i in pictures_of(g)}
    assert len(shown) > 30
    assert {canonical.sha256(data) for data in shown} <= known


def pictures_of(group: Group) -> list:
    return [*group.prompt.images, *(i for c in group.completions if c.input for i in c.input.images)]


@pytest.mark.parametrize(
    ("words", "params", "bad", "marked"),
    [
        ({"from": "", "to": "and a cat", "fact": "insert"}, {"at": 1.0}, "a dog and a cat", ["and a cat"]),
        ({"from": "dog", "to": "cat"}, {"at": 99.0}, "a cat", ["cat"]),
        ({"begun": "a", "removed": "dog"}, {}, "a red cat", [" red cat"]),
        ({"picture": "0" * 64}, {"at": 0.0}, "a cat", []),
        ({}, {}, "a cat", []),
    ],
)
def test_changed_words_are_marked_as_each_kind_records_them(tmp_path, words, params, bad, marked) -> None:
    prompts, pictures = world("pool", 1)
    made = answer(1, bad, negative=Negative(kind="k", words=words, params=params, seed=1, parent="completion:0"))
    (one,) = specimens(*alone(tmp_path, [Group(prompt=prompts[0], completions=(answer(0, "a dog"), made))], pictures))
    assert [w.text for w in one.said[-1].text if w.marked] == marked
    assert "".join(w.text for w in one.said[-1].text) == bad


def test_a_negative_that_says_the_same_is_not_shown_as_wrong(tmp_path: Path) -> None:
    prompts, pictures = world("pool", 1)
    same = answer(0, prompts[0].reference or "", negative=Negative(kind="mix", seed=1, parent="pictures"))
    (one,) = specimens(*alone(tmp_path, [Group(prompt=prompts[0], completions=(same,))], pictures))
    assert [(s.kind, s.who) for s in one.said] == [("right", "reference"), ("plain", "negative, with the same words")]


def test_many_negatives_are_shown_by_kind_in_turn(tmp_path: Path) -> None:
    prompts, pictures = world("pool", 1)
    bad = [answer(i, "no", negative=Negative(kind="mix", seed=i, parent="reference")) for i in range(40)]
    rare = answer(40, "no", negative=Negative(kind="rare", seed=1, parent="reference"))
    group = Group(prompt=prompts[0], completions=(*bad, rare))
    manifest = alone(tmp_path, [group], pictures)
    kinds = Counter(s.kind for s in specimens(*manifest))
    assert kinds == {"mix": MOST["negative"] - 1, "rare": 1}


def test_rows_are_of_different_prompts_while_there_are_any(tmp_path: Path) -> None:
    prompts, pictures = world("pool", 20)
    bad = [answer(i, "no", negative=Negative(kind=f"kind {i}", seed=i, parent="reference")) for i in range(3)]
    groups = [Group(prompt=prompt, completions=tuple(bad)) for prompt in prompts]
    shown = specimens(*alone(tmp_path, groups, pictures))
    assert Counter(s.kind for s in shown) == {"kind 0": 4, "kind 1": 4, "kind 2": 4}
    assert len({s.scenes[0].pictures for s in shown}) == MOST["negative"]


def test_large_pictures_are_shown_smaller(tmp_path: Path) -> None:
    written = io.BytesIO()
    Image.effect_noise((1200, 600), 60).convert("RGB").save(written, "PNG")
    data = written.getvalue()
    prompt = Prompt.make(
        messages=(Message(role="user", content="what ?"),), images=(ref_of(data),), skill="s", source="t"
    )
    bad = answer(0, "no", negative=Negative(kind="mix", seed=1, parent="question"))
    (one,) = specimens(*alone(tmp_path, [Group(prompt=prompt, completions=(bad,))], {prompt.images[0].sha256: data}))
    kind, _, body = one.scenes[0].pictures[0].partition(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(body))).size == (320, 160)


def alone(tmp_path: Path, groups: list[Group], pictures: dict[str, bytes]) -> tuple[Store, Manifest]:
    """A loop of one round that made these groups."""
    _, store = steered_loop(tmp_path, 1, lambda store: (groups, [pack(store, pictures, "alone")]))
    return store, generated(store, 1)


def test_hostile_text_of_a_model_stays_text(tmp_path: Path) -> None:
    prompts, pictures = world("pool", 1)
    prompt = prompts[0]
    shown = Shown(messages=(Message(role="system", content=HOSTILE),), images=prompt.images, begun=HOSTILE)
    made = Negative(
        kind=HOSTILE,
        params={HOSTILE: 1.0},
        words={"from": "bold", "to": "quotes", "fact": HOSTILE},
        seed=1,
        parent="reference",
    )
    odd = Prompt.make(
        messages=(Message(role="user", content=HOSTILE),), images=prompt.images, skill=HOSTILE, source="t", origin="x", reference=HOSTILE
    )  # fmt: skip
    groups = [
        Group(prompt=prompt, completions=(answer(0, HOSTILE, HOSTILE, input=shown),)),
        Group(prompt=odd, completions=(answer(0, HOSTILE), answer(1, HOSTILE, negative=made))),
        Group(prompt=odd, reason=HOSTILE),
    ]
    store, _ = alone(tmp_path, groups, pictures)
    view = collect(store, LOOP)
    for page in (html.render(view), html.render_round(view, 1)):
        parsed = Elements(page)
        assert parsed.tags.count("script") == 2
        assert "iframe" not in parsed.tags
        assert all(k != "onerror" for k, _ in parsed.attributes)
        assert all((v or "").startswith("data:image/") for k, v in parsed.attributes if k == "src")
        assert "\0" not in page
        assert parsed.text.count("{{ 7 * 7 }}") > 8
    console = Console(width=100, file=io.StringIO())
    print_loop(view, console)
    assert "\0" not in console.file.getvalue()


def test_rows_that_are_gone_leave_the_numbers(tmp_path: Path) -> None:
    _, store = steered_loop(tmp_path, 1)
    manifest = generated(store, 1)
    for shard in manifest.shards:
        store.delete(f"{store.key(manifest.uri)}/{shard.name}")
    seen = collect(store, LOOP).rounds[0].collection
    assert (seen.specimens, seen.completions) == ((), 22)


def test_rows_are_shown_of_the_last_rounds_only(tmp_path: Path) -> None:
    _, store = steered_loop(tmp_path, 4)
    assert [bool(r.collection.specimens) for r in collect(store, LOOP).rounds] == [False, True, True, True]
    assert [bool(r.collection.specimens) for r in collect(store, LOOP, looked_at={1}).rounds] == [
        True,
        False,
        False,
        False,
    ]
