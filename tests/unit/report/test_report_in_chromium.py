"""The report in a real browser, from file://: no console error, nothing fetched, filters work, 2,000 items load fast.

RATCHET_SCREENSHOTS names a folder to leave the screenshots in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet.report import html
from ratchet.report.collect import collect
from ratchet.report.payload import keys
from ratchet.report.view import AnswerView
from tests.browser import Page, needs_chromium, opened
from tests.unit.loops import LOOP
from tests.unit.report.example import many_items
from tests.unit.report.organised import watched_loop

COUNT = "document.getElementById('gallery-count').textContent"
FOCUS = "document.activeElement.id"

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
    page.run("document.querySelector('[data-flip=\"right to wrong\"]').click()")
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


def test_the_search_finds_words_of_questions_and_answers(page, view, tmp_path):
    page.look(width=1280)
    page.open(written(tmp_path, "loop.html", html.render(view)))
    page.press("/")
    assert page.run("document.activeElement.type") == "search"
    page.call("Input.insertText", text="NINE red circles")
    said = sum(any("nine red circles" in a.text for a in i.answers) for i in view.gallery)
    assert page.run(COUNT) == f"{said} of 60 questions"
    page.press("Escape")
    assert page.run(COUNT) == "60 questions"
    page.call("Input.insertText", text="no such words")
    assert page.run(COUNT) == "0 of 60 questions"
    assert page.complaints() == []


def test_arrows_go_from_item_to_item_and_escape_shows_all_again(page, view, tmp_path):
    page.look(width=1280)
    path = written(tmp_path, "loop.html", html.render(view))
    page.open(path)
    page.run("document.querySelector('[data-flip=\"wrong to right\"]').click()")
    assert page.run("document.querySelector('[data-flip=\"wrong to right\"]').getAttribute('aria-pressed')") == "true"
    flipped = sum(i.flip == "wrong to right" for i in view.gallery)
    assert page.run(COUNT) == f"{flipped} of 60 questions"
    page.press("/")
    page.press("ArrowDown")
    first = page.run(FOCUS)
    page.press("ArrowRight")
    second = page.run(FOCUS)
    page.press("ArrowLeft")
    assert first.startswith("item-")
    assert second not in ("", first)
    assert page.run(FOCUS) == first
    page.press("Enter")
    assert page.run("document.activeElement.classList.contains('large')")
    page.press("Escape")
    assert page.run(COUNT) == "60 questions"


def test_every_item_has_an_address_that_opens_it_whatever_was_chosen(page, view, tmp_path):
    page.look(width=390)
    path = written(tmp_path, "loop.html", html.render(view))
    key = keys(view.gallery)[57]
    page.open(path, f"#item-{key}")
    assert page.run(FOCUS) == f"item-{key}"
    assert page.run("document.activeElement.querySelector('.question').textContent") == view.gallery[57].question
    assert 0 <= page.run("document.activeElement.getBoundingClientRect().top") < 900
    page.open(path, "#show?skill=caption&flip=both+wrong")
    both = sum(i.skill == "caption" and i.flip == "both wrong" for i in view.gallery)
    assert page.run(COUNT) == f"{both} of 60 questions"
    page.run(f"location.hash = 'item-{key}'")
    page.run("new Promise(done => setTimeout(done, 200))")
    assert page.run(FOCUS) == f"item-{key}"
    page.open(path, "#item-%ZZ")
    assert page.run(COUNT) == "60 questions"
    assert page.complaints() == []


def test_a_skill_leads_to_its_items(page, view, tmp_path):
    page.look(width=1280)
    page.open(written(tmp_path, "loop.html", html.render(view)))
    page.run("document.querySelector('#skills a[href*=\"skill=caption\"]').click()")
    page.run("new Promise(done => setTimeout(done, 200))")
    assert page.run(COUNT) == f"{sum(i.skill == 'caption' for i in view.gallery)} of 60 questions"
    assert page.run("document.querySelector('[data-filter=skill]').value") == "caption"


@pytest.mark.parametrize("dark", [False, True])
def test_nobody_is_shut_out_of_the_pages(page, view, tmp_path, dark):
    page.look(width=1280, dark=dark)
    pages = {"loop": html.render(view), "round": html.render_round(view, 0)}
    found = {}
    for name, text in pages.items():
        page.open(written(tmp_path, f"{name}.html", text))
        page.run("document.querySelectorAll('details').forEach(d => { d.open = true })")
        found[name] = page.serious()
    assert found == {"loop": [], "round": []}


def test_very_long_words_terminal_codes_and_marks_of_direction_stay_inside_their_card(page, view, tmp_path):
    bad = (
        "\x1b[31mred\x1b[0m \u202e\u2066\u200f"
        + "w" * 4000
        + "\ud800\ufeff"
        + "\n" * 40
        + "</article></main><style>*{display:none}"
    )
    answer = AnswerView(who="champion", text=bad, passed=False, reason=bad)
    item = view.gallery[1].model_copy(update={"question": bad, "reference": bad, "answers": (answer, answer)})
    for width in (390, 1280):
        page.look(width=width)
        page.open(written(tmp_path, "long.html", html.render(view.model_copy(update={"gallery": (item,)}))))
        assert page.run("document.documentElement.scrollWidth") <= width
        shown = page.run("document.querySelector('.card .answer .text').textContent")
        assert shown.startswith("␛[31mred␛[0m ")
        assert page.run("getComputedStyle(document.querySelector('h1')).display") == "block"
        assert page.complaints() == []


def test_the_page_prints_without_its_controls(page, view, tmp_path):
    page.look(width=1280)
    page.open(written(tmp_path, "loop.html", html.render(view)))
    page.call("Emulation.setEmulatedMedia", media="print")
    hidden = "['nav', '.filters', '.flips', '#gallery-more'].every(q => getComputedStyle(document.querySelector(q)).display === 'none')"
    assert page.run(hidden)
    page.call("Emulation.setEmulatedMedia", media="")


def test_two_thousand_items_open_with_a_few_cards_and_reach_the_last(page, view, tmp_path):
    page.look(width=1280)
    shown = many_items(view, 2000)
    path = written(tmp_path, "many.html", html.render(shown))
    assert path.stat().st_size > 18_000_000
    page.open(path)
    assert page.run(COUNT) == "2,000 questions"
    assert page.run("document.querySelectorAll('.card').length") == 24
    page.open(path, f"#item-{keys(shown.gallery)[1999]}")
    assert page.run(FOCUS) == f"item-{keys(shown.gallery)[1999]}"
    assert page.complaints() == []
