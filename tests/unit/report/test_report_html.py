"""What the HTML report says, and that it says it as text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from markupsafe import Markup

from ratchet.errors import RoundError
from ratchet.report import html, sentences
from ratchet.report.page import wrappable
from ratchet.report.payload import json_in_script, payload
from ratchet.report.view import Estimate, LoopView


class Elements(HTMLParser):
    """Text, tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.parts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.parts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.parts))


def embedded(page: str) -> dict:
    return json.loads(re.search(r'id="gallery-items">(.*?)</script>', page, re.DOTALL).group(1))


@pytest.fixture(scope="module")
def page(view) -> str:
    return html.render(view)


def test_the_headline_says_what_happened(page):
    assert (
        "<h1>The champion is version 2, from round 0: +6.3 points over the seed "
        "(95% interval +4.1 to +8.4) on 2,700 items that no decision has read.</h1>"
    ) in page


def test_sections_come_in_reading_order(page):
    order = ("rounds", "controls", "gate", "skills", "hallucination", "funnel", "loss", "time", "lineage", "gallery")
    places = [page.index(f'<section id="{name}"') for name in order]
    assert places == sorted(places)


def test_every_state_is_told_by_word_and_by_shape(page):
    for kind, word in (("promoted", "promoted"), ("refused", "refused"), ("failed", "failed")):
        assert re.search(rf'class="mark {kind}".*?</svg> {word}', page)
    shapes = set(re.findall(r'<path d="([^"]+)" class="mark (?:promoted|refused|failed)"', page))
    assert len(shapes) == 3


def test_the_gate_is_explained_with_its_test_and_its_error(page):
    text = Elements(page).text
    assert "Errors fell most where several objects share a colour." in text
    assert "p = 4.2 × 10⁻⁷" not in text, "the gate's own words stand alone"
    assert "p = 0.071, above the 0.0076 of error spent at look 2: not rejected" in text
    assert "1 guard of 6 failed: chair_i." in text
    assert "No test was made, and no error was spent." in text
    assert "+1.4 points against the champion (95% interval −0.5 to +3.3) on 900 holdout items" in text


def test_controls_are_marked_as_controls(page):
    text = Elements(page).text
    assert "never promoted and spends none of the gate's error" in text
    assert "Champion minus this control: +5.5 points (95% interval +3.7 to +7.3): the champion is better." in text
    assert "would promote" in text
    assert page.count('<span class="tag">control</span>') == 2 * 3, "beside the champion, and among the metrics"


def test_charts_have_words(page):
    label = re.search(r'class="scroll"[^>]*aria-label="(Accuracy by round[^"]*)"', page).group(1)
    assert "Round 0 promoted: champion 57.1% (95% interval 53.9 to 60.3%, n 900); candidate 62.6%" in label
    assert "Round 2 failed: nothing measured." in label
    assert 'aria-label="Training loss of round 0: From 1.79 at step 0 to' in page
    bare = [tag for tag in re.findall(r"<svg[^>]*>", page) if 'class="cell"' in tag and "aria-hidden" not in tag]
    assert bare == []


def test_nothing_is_fetched_and_only_our_script_may_run(page):
    parsed = Elements(page)
    addresses = [v for k, v in parsed.attributes if k in ("src", "href", "srcset", "action")]
    assert all(a.startswith("#") for a in addresses)
    assert "link" not in parsed.tags
    assert re.search(r"default-src 'none'; img-src data:; .*script-src 'sha256-[A-Za-z0-9+/]{43}='", page)
    assert "@import" not in page
    assert "url(" not in page


def test_numbers_that_are_not_finite_are_never_shown(page):
    shown = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL).replace("loss is NaN at step 120", "")
    assert not re.search(r"\b(nan|inf|None)\b", shown)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_each_round_has_a_page_of_its_own(view, number):
    page = html.render_round(view, number)
    starts = (
        "Round 0 promoted version 2: +5.5 points",
        "Round 1 refused version 3: +1.4 points",
        "Round 2 failed before",
    )
    assert f"<h1>{starts[number]}" in page
    assert {i["round"] for i in embedded(page)["items"]} <= {number}
    assert "Controls" not in page


def test_an_unknown_round_is_refused(view):
    with pytest.raises(RoundError, match="no round 9 to report; its rounds: 0, 1 and 2"):
        html.render_round(view, 9)


def champion(view: LoopView, **change) -> LoopView:
    return view.model_copy(update={"champion": view.champion.model_copy(update=change)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"delta_to_seed": Estimate(value=0.006, low=-0.01, high=0.022, n=2700)},
            "these items do not show an improvement",
        ),
        (
            {"delta_to_seed": Estimate(value=-0.04, low=-0.06, high=-0.02, n=2700)},
            "−4.0 points to the seed .* worse than the seed",
        ),
        ({"delta_to_seed": Estimate(value=0.04)}, "interval is not known, so this proves nothing yet"),
        ({"delta_to_seed": None}, "has not been compared with the seed"),
        (
            {"round": None, "version": "1"},
            "Nothing was promoted: the champion is still the seed, version 1. 3 rounds ran",
        ),
    ],
)
def test_the_headline_claims_no_more_than_was_shown(view, change, words):
    heading = re.search("<h1>(.*?)</h1>", html.render(champion(view, **change))).group(1)
    assert re.search(words, heading)
    assert "over the seed" not in heading


@pytest.mark.parametrize("rounds", [0, 1])
def test_a_loop_with_almost_nothing_still_renders(view, rounds):
    running = view.rounds[2].model_copy(
        update={"state": "RUNNING", "drops": {}, "stages": (), "loss": (), "completions": None}
    )
    empty = {"seed": None, "final": None, "champion": None, "controls": (), "gallery": (), "notes": (), "seconds": None}
    page = html.render(view.model_copy(update={**empty, "rounds": (running,) * rounds}))
    assert ("There is no champion yet: 1 round ran, 1 running." if rounds else "No round has run yet.") in page


def test_before_the_report_items_are_read_the_newest_measured_round_is_shown(view):
    page = html.render(view.model_copy(update={"seed": None, "final": None}))
    assert "on the holdout items of round 1, which the gate read" in page


def test_hostile_text_stays_text(hostile):
    for page in (html.render(hostile), html.render_round(hostile, 1)):
        parsed = Elements(page)
        assert parsed.tags.count("script") == 2
        assert not {"img", "iframe"} & set(parsed.tags)
        assert all(k != "onerror" for k, _ in parsed.attributes)
        assert "\0" not in page
        assert "<b>bold</b>" in parsed.text
        assert "{{ 7 * 7 }}" in parsed.text
        assert "␀" in parsed.text


def test_the_payload_comes_back_as_it_was(view, hostile):
    for shown in (view, hostile):
        items = embedded(html.render(shown))["items"]
        assert len(items) == len(shown.gallery)
        for item, source in zip(items, shown.gallery, strict=True):
            assert item["question"] == source.question.replace("\0", "␀")
            assert [a["text"] for a in item["answers"]] == [a.text.replace("\0", "␀") for a in source.answers]
            assert [a["kept"] for a in item["answers"]] == [a.kept for a in source.answers]


def test_json_in_a_script_cannot_end_it():
    text = "</script><!--<script>&\u2028\u2029"
    written = json_in_script({"text": text})
    assert not re.search("[<>&\u2028\u2029]", written)
    assert json.loads(written) == {"text": text}


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/a.png",
        "javascript:alert(1)",
        "data:text/html;base64,AAAA",
        "data:image/svg+xml;base64,AAAA",
        'data:image/png;base64,AA" x',
    ],
)
def test_only_embedded_raster_pictures_are_shown(view, address):
    item = view.gallery[0].model_copy(update={"pictures": (address, view.gallery[0].pictures[0])})
    body = json.loads(payload([item, item]))
    assert body["pictures"] == [view.gallery[0].pictures[0]]
    assert body["items"][0]["pictures"] == [0]


def test_lone_surrogates_do_not_stop_the_report(view):
    bad = view.gallery[0].model_copy(update={"question": "a\ud800b"})
    page = html.render(view.model_copy(update={"gallery": (bad,), "notes": ("c\udfffd",)}))
    assert embedded(page)["items"][0]["question"] == "a�b"
    assert page.encode()


@pytest.mark.parametrize("seconds", [None, 75.0])
def test_what_the_headline_says_of_the_rounds_is_not_said_again(view, seconds):
    unpromoted = view.champion.model_copy(update={"version": "1", "round": None})
    page = html.render(view.model_copy(update={"champion": unpromoted, "seconds": seconds}))
    assert page.count("3 rounds ran") == 1
    assert ("It took 1 min 15 s." in page) == (seconds is not None)
    assert html.render(view).count("3 rounds ran") == 1


def test_the_last_round_that_failed_says_why_at_the_top(view):
    failed = [r for r in view.rounds if r.state == "FAILED"][-1]
    page = html.render(view.model_copy(update={"rounds": (*[r for r in view.rounds if r is not failed], failed)}))
    top = page.partition("<nav")[0]
    assert f"Round {failed.number} failed: {failed.reason}" in top


def test_long_names_may_break_after_an_underscore_and_are_escaped():
    assert wrappable("unreadable_question") == "unreadable_<wbr>question"
    assert wrappable("<b>_x") == "&lt;b&gt;_<wbr>x"


def test_a_round_that_waits_for_a_person_says_so(view):
    waiting = view.rounds[0].model_copy(update={"state": "PENDING", "reason": "waits for approval"})
    page = html.render_round(view.model_copy(update={"rounds": (waiting,)}), 0)
    assert "<h1>Round 0 holds version 2 until a person approves it: +5.5 points against the champion" in page
    assert re.search(r'class="mark pending".*?</svg> pending', page)
    assert "1 pending" in sentences.tally(view.model_copy(update={"rounds": (waiting,)}))


def test_other_pages_share_the_shell_and_its_escaping():
    made = html.page(
        "Versions <3> & 2",
        "<b>Version 3</b>",
        Markup('<section id="a"><h2>{}</h2></section>').format("<i>\0"),
        kicker=("mine", "compare"),
        sections={"a": "First"},
        script="'use strict'",
    )
    parsed = Elements(made)
    assert "<title>Versions &lt;3&gt; &amp; 2</title>" in made
    assert {"b", "i"} & set(parsed.tags) == set()
    assert ("href", "#a") in parsed.attributes
    assert parsed.tags.count("script") == 1
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none'; form-action 'none'\"", made)
    assert "script-src 'none'" in html.page("t", "h", Markup(""))


def test_a_page_of_our_own_server_may_post_to_it_and_nowhere_else():
    made = html.page("t", "h", Markup(""), served=True)
    assert "img-src data: 'self'" in made
    assert "form-action 'self'; connect-src 'self'" in made


def test_plain_text_is_no_page():
    with pytest.raises(TypeError, match="must be Markup"):
        html.page("t", "h", "<script>")


def test_buttons_count_all_that_flipped_and_not_only_what_is_shown(view):
    item = next(i for i in view.gallery if i.flip == "right to wrong")
    one, other = (item.model_copy(update={"split": "holdout", "round": r, "flips": n}) for r, n in ((1, 500), (2, 15)))
    assert json.loads(payload([one, one, other]))["flips"] == {"right to wrong": 515}
    assert json.loads(payload([item, item]))["flips"] == {"right to wrong": 2}
