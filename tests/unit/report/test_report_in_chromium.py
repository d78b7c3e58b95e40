"""The report in a real browser, from file://: no console error, nothing fetched, filters work, 2,000 items load fast.

RATCHET_SCREENSHOTS names a folder to leave the screenshots in.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet.report import html
from ratchet.report.collect import collect
from ratchet.report.view import AnswerView, GalleryItem, LoopView
from tests.browser import Page, needs_chromium, opened
from tests.unit.loops import LOOP
from tests.unit.report.organised import watched_loop

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with opened(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("RATCHET_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "width", "dark"), [("light", 1280, False), ("dark", 1280, True), ("phone", 390, False)]
)
def test_the_loop_opens_without_complaint_and_fits_its_width(page, view, tmp_path, shots, name, width, dark):
    page.look(width=width, dark=dark)
    page.open(written(tmp_path, "loop.html", html.render(view)))
    page.screenshot(shots / f"loop-{name}.png")
    assert page.complaints() == []
    assert page.fetched() == []
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("document.querySelectorAll('.card').length") == 24
    assert (shots / f"loop-{name}.png").stat().st_size > 50_000


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_round_opens_without_complaint(page, view, tmp_path, shots, number):
    page.look(width=390)
    page.open(written(tmp_path, "round.html", html.render_round(view, number)))
    page.screenshot(shots / f"round-{number}.png")
    assert page.complaints() == []
    assert page.run("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(("name", "width", "dark"), [("light", 1280, False), ("dark-phone", 390, True)])
def test_a_collection_opens_without_complaint_and_fits(page, steered_view, tmp_path, shots, name, width, dark):
    page.look(width=width, dark=dark)
    page.open(written(tmp_path, "collection.html", html.render(steered_view)))
    page.screenshot(shots / f"collection-{name}.png")
    assert page.complaints() == []
    assert page.run("document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter(i => i.checkVisibility() && i.naturalWidth === 0).length"
    assert page.run(broken) == 0
    assert page.run("document.querySelectorAll('.specimen img').length") > 30
    # A skill's name is never broken inside of a word.
    heads = "[...document.querySelectorAll('table.heat tbody th bdi')].every(e => e.getClientRects().length && e.offsetHeight < 40)"
    assert page.run(heads)


@pytest.mark.parametrize(("name", "width", "dark"), [("light", 1280, False), ("dark-phone", 390, True)])
def test_verification_to_filtering_opens_without_complaint_and_fits(page, tmp_path, shots, name, width, dark):
    _, store, _ = watched_loop(tmp_path)
    page.look(width=width, dark=dark)
    page.open(written(tmp_path, "organised.html", html.render(collect(store, LOOP))))
    page.screenshot(shots / f"organised-{name}.png")
    assert page.complaints() == []
    assert page.run("document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter(i => i.checkVisibility() && i.naturalWidth === 0).length"
    assert page.run(broken) == 0
    choose = "const s = document.querySelector('[data-filter=verifier]'); s.value = 'verifiers disagree'; s.dispatchEvent(new Event('change'))"
    page.run(choose)
    assert page.run("[...document.querySelectorAll('.card')].every(c => /[✓✕?] \\w+ [✓✕]/.test(c.textContent))")
    assert page.run("document.querySelectorAll('.card').length") > 0


def test_filters_narrow_the_gallery_and_can_be_cleared(page, view, tmp_path):
    page.look(width=1280)
    page.open(written(tmp_path, "loop.html", html.render(view)))
    choose = "(n, v) => { const s = document.querySelector(`[data-filter=${n}]`); s.value = v; s.dispatchEvent(new Event('change')); }"
    count = "document.getElementById('gallery-count').textContent"
    assert page.run(count) == "60 questions"
    page.run(f"({choose})('skill', 'caption')")
    expected = sum(i.skill == "caption" for i in view.gallery)
    assert page.run(count) == f"{expected} of 60 questions"
    assert page.run("document.querySelectorAll('.card').length") == expected
    page.run(f"({choose})('flip', 'right to wrong')")
    both = sum(i.skill == "caption" and i.flip == "right to wrong" for i in view.gallery)
    assert page.run(count) == f"{both} of 60 questions"
    page.run("document.querySelector('#gallery-filters button').click()")
    assert page.run(count) == "60 questions"


def test_show_more_reaches_every_item_by_keyboard(page, view, tmp_path):
    page.look(width=1280)
    page.open(written(tmp_path, "loop.html", html.render(view)))
    page.run("for (let i = 0; i < 5; i++) document.getElementById('gallery-more').click()")
    assert page.run("document.querySelectorAll('.card').length") == 60
    assert page.run("document.getElementById('gallery-more').hidden")


def test_hostile_answers_are_shown_and_not_obeyed(page, view, hostile, tmp_path):
    for width in (390, 1280):
        page.look(width=width)
        page.open(written(tmp_path, "hostile.html", html.render(hostile)))
        assert page.complaints() == []
        assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("window.hacked === undefined && document.title !== 'hacked'")
    assert page.run("document.querySelectorAll('.card img[onerror], .card script, .card b').length") == 0
    shown = page.run("document.querySelector('.card .answer .text').textContent")
    assert shown == hostile.gallery[0].answers[0].text.replace("\0", "␀")


def many(view: LoopView, number: int) -> LoopView:
    """As many items as asked for, each with a picture of its own, about as large as the embedded world's."""
    items: list[GalleryItem] = []
    for at in range(number):
        own = base64.b64encode(at.to_bytes(4, "big") * 1740).decode()
        answers = tuple(
            AnswerView(who=f"sample {i}", text=f"answer {i}", passed=i % 2 == 0, reason="match") for i in range(8)
        )
        picture = re.sub("base64,.*", f"base64,{own}", view.gallery[0].pictures[0])
        change = {"pictures": (picture,), "answers": answers, "prompt_id": f"{at:032x}"}
        items.append(view.gallery[at % 60].model_copy(update=change))
    return view.model_copy(update={"gallery": tuple(items)})


def test_two_thousand_items_load_within_a_second(page, view, tmp_path):
    page.look(width=1280)
    path = written(tmp_path, "many.html", html.render(many(view, 2000)))
    assert path.stat().st_size > 18_000_000
    # The machine is shared: the best of three.
    assert min(page.open(path) for _ in range(3)) < 1.0
    assert page.run("document.getElementById('gallery-count').textContent") == "2,000 questions"
    assert page.run("document.querySelectorAll('.card').length") == 24
