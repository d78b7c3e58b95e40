"""What the report shows of a round's collection: the manifest's numbers, and its rows word for word."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from ratchet import canonical
from ratchet.report import collection_words, html
from ratchet.report.collection import CellView, collection_view, skill_weights
from ratchet.report.curves import chosen_temperatures, temperature_curve, weight_charts
from ratchet.report.specimens import specimens
from ratchet.report.summary import summary
from ratchet.report.terminal import print_loop
from ratchet.report.view import LoopView
from ratchet.store import Store
from tests.unit.report.collected import generated
from tests.unit.report.test_report_html import Elements


@pytest.fixture(scope="module")
def page(steered_view: LoopView) -> str:
    return html.render(steered_view)


def section(page: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    assert found is not None
    return found.group()


def test_the_view_has_the_manifests_numbers(steered: Store, steered_view: LoopView) -> None:
    for shown in steered_view.rounds:
        manifest, seen = generated(steered, shown.number), shown.collection
        assert seen is not None
        results, counts = manifest.results, manifest.counts
        assert (seen.prompts, seen.completions, seen.clipped) == tuple(
            counts[n] for n in ("prompts", "completions", "clipped")
        )
        assert (seen.failed, seen.refused) == (counts["errors"], counts["refused"])
        assert (seen.models, seen.negatives, seen.reasons) == tuple(
            results[n] for n in ("models", "negatives", "reasons")
        )
        made = {s.name: (s.completions, s.clipped) for s in seen.strategies}
        told = results["strategies"]
        assert made == {n: tuple(s.get(w, 0) for w in ("completions", "clipped")) for n, s in told.items()}
        assert sum(s.share for s in seen.strategies) == pytest.approx(1)
        assert [cell.model_dump() for cell in seen.cells] == results["cells"]
        assert seen.temperature is not None
        assert seen.temperature.model_dump(mode="json") == canonical.loads(canonical.dumps(results["temperature"]))
        assert [probe.model_dump() for probe in seen.probes] == results["probes"]


def test_the_page_says_the_manifests_numbers(steered: Store, page: str) -> None:
    text = Elements(section(page, "collection")).text
    results = generated(steered, 1).results
    assert (
        "22 completions of 11 prompts, 5 of them negatives, 9.1% cut at the token limit. 1 prompt was refused." in text
    )
    assert "Engine: transformers, in the stage's process." in text
    for name, count in {**results["negatives"], **results["reasons"]}.items():
        assert f"{name} {count}" in text
    for cell in results["cells"]:
        right = f"{100 * cell['right'] / cell['probed']:.1f}% of {cell['probed']} right"
        assert f"{cell['weight']:.2f} {right} {cell['asked']} → {cell['came']}" in text
    assert "Temperature 0.7 was chosen of 5 temperatures: Reward-Pass@2 66.0% on 200 validation prompts." in text
    assert "1 cell had too few" in text
    assert "The probe asked 180 questions; 2 got no answer and 1 could not be judged." in text


def test_the_recipes_shares_stand_beside_what_came(page: str) -> None:
    rows = re.findall(
        r"<tr><th scope=\"row\"><bdi>(prompted|random|ask)</bdi></th>(.*?)</tr>", section(page, "collection")
    )
    cells = {name: re.findall(r'<td class="num">(.*?)</td>', row) for name, row in rows}
    assert (cells["random"][0], cells["prompted"][0], cells["ask"][0]) == ("75.0%", "25.0%", "–")


def test_autonomy_is_told_once_for_rounds_that_are_alike(steered_view: LoopView, page: str) -> None:
    text = Elements(section(page, "autonomy")).text
    sentence = steered_view.rounds[0].autonomy.sentence
    assert text.count(sentence) == 1
    assert f"Rounds 1 to 3. {sentence}" in text
    assert len(re.findall(r'<b class="level">A2</b>', page)) == 3
    assert "1 A2 rule self rule rule" in text


def test_the_curve_shows_every_temperature_its_interval_and_which_was_chosen(steered_view: LoopView) -> None:
    chart = temperature_curve(steered_view.rounds[0].collection.temperature, 1)
    assert chart.count('class="mark champion"') == 4
    assert chart.count('class="mark promoted"') == 1
    assert len(re.findall(r'class="whisker', chart)) == 15
    assert "temperature 0.7: 66.0% ± 6.6" in chart
    assert "Chosen: 0.7." in chart


def test_temperatures_and_weights_are_charted_over_rounds(steered_view: LoopView, page: str) -> None:
    assert "Round 1 0.7; Round 2 0.7; Round 3 0.5" in chosen_temperatures(steered_view.rounds)
    charts = weight_charts(steered_view.rounds)
    assert charts[0][0] == "count", "what moved most comes first"
    numbers = [skill_weights(r.collection.cells)["count"] for r in steered_view.rounds]
    told = "; ".join(f"round {i} {value:.2f}" for i, value in enumerate(numbers, 1))
    assert f"Weight of count by round: {told}." in charts[0][1]
    assert numbers[0] > numbers[1] > numbers[2]
    assert "What the rounds took more and less of" in page
    assert weight_charts(steered_view.rounds[:1]) == []
    assert chosen_temperatures(steered_view.rounds[:1]) == ""


def test_a_skills_weight_is_the_mean_over_its_share_of_the_pool() -> None:
    cells = [
        CellView(skill="a", band=0, probed=9, right=9, weight=0.5, asked=50, came=50),
        CellView(skill="a", band=1, probed=9, right=0, weight=2.0, asked=600, came=600),
        CellView(skill="b", band=0, probed=0, right=0, weight=1.5, asked=0, came=0),
    ]
    assert skill_weights(cells) == {"a": pytest.approx((100 * 0.5 + 300 * 2.0) / 400), "b": 1.5}
    assert cells[2].accuracy is None


def test_old_rounds_without_these_fields_still_render(steered: Store, steered_view: LoopView) -> None:
    manifest = generated(steered, 1)
    old = manifest.model_copy(update={"config": {}, "results": {}, "counts": {"prompts": 4, "completions": 8}})
    assert specimens(steered, old) == ()
    seen = collection_view(old)
    assert (seen.engine, seen.strategies, seen.temperature, seen.cells) == (None, (), None, ())
    aged = steered_view.rounds[0].model_copy(update={"collection": seen, "autonomy": None})
    page = html.render(steered_view.model_copy(update={"rounds": (aged, steered_view.rounds[1])}))
    assert "8 completions of 4 prompts." in Elements(page).text
    assert "1 not recorded" in Elements(section(page, "autonomy")).text
    bare = aged.model_copy(update={"collection": None})
    assert 'id="collection"' not in html.render(steered_view.model_copy(update={"rounds": (bare,)}))
    assert collection_words.terminal_lines((bare,)) == []


def test_the_terminal_tells_autonomy_and_collection(steered_view: LoopView) -> None:
    first, *lines = collection_words.terminal_lines(steered_view.rounds)
    assert first.startswith("Rounds 1 to 3, autonomy A2: ")
    assert len(lines) == 3
    assert lines[0] == (
        "Round 1 collected: ask 35%, prompted 12%, random 53%; negatives blur 2, diffusion 1, erase 1, inject 1; refused or "
        "failed unanswerable 1; temperature 0.7; weights from pair 0.57 to exist 1.32."
    )
    console = Console(width=100, file=io.StringIO())
    print_loop(steered_view, console)
    assert first[:60] in console.file.getvalue()


def test_the_summary_has_the_numbers_without_the_rows(steered: Store, steered_view: LoopView) -> None:
    made = summary(steered_view)
    json.dumps(made, allow_nan=False)
    assert made["rounds"][0]["autonomy"]["level"] == "A2"
    assert made["rounds"][0]["collection"]["cells"] == generated(steered, 1).results["cells"]
    assert "specimens" not in made["rounds"][0]["collection"]
