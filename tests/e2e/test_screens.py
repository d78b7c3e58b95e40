"""A real loop of two small rounds, its pages opened in Chromium as a person would, and pictures of them for CI to keep.

RATCHET_SCREENSHOTS names the folder (.ci/run: build/screens).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet import loop, rounds
from ratchet.begin import BeginOptions
from ratchet.report.collect import collect
from ratchet.report.final import CHAMPION, SEED, read_report_split
from ratchet.report.gallery import gallery
from ratchet.report.writing import ROUND_ITEMS, loop_key, round_key, write_loop_report
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from tests.browser import Page, needs_chromium, opened
from tests.micro import environment, settings_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), needs_chromium]
NAME = "screens"
RECIPE = """
name: small-rft
seed: 3
prompts: {pool: 180, validation: 18, holdout: 180, report: 90}
generate: {k: 4, max_new_tokens: 12, batch_size: 64}
filter: {completions_per_prompt: 1}
train: {max_steps: 12, batch_size: 32, learning_rate: 5.0e-4}
evaluate: {max_new_tokens: 12, pass_at_k: {k: 4, prompts: 90}}
promote: {min_items: 90}
"""
LOOKS = [
    ("desktop-light", 1280, False),
    ("desktop-dark", 1280, True),
    ("phone-light", 390, False),
    ("phone-dark", 390, True),
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A loop of two rounds of the real seed, and its last read."""
    folder = tmp_path_factory.mktemp("screens")
    found = settings_in(folder)
    with environment(OMP_NUM_THREADS="1", RATCHET_CACHE=str(folder / "cache")):
        loop.init_loop(found, NAME, "tinyworld")
        for _ in range(2):
            loop.run_in_process(found, BeginOptions(loop=NAME, recipe=RECIPE))
        store = open_store(found.root)
        first, last = rounds.read_round(store, NAME, 1), rounds.read_round(store, NAME, 2)
        read_report_split(store, first, {SEED: first.seed, CHAMPION: last.seed})
        write_loop_report(store, collect(store, NAME), folder / "report.html")
    return found


@pytest.fixture(scope="module")
def store(settings: Settings) -> Store:
    return open_store(settings.root)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with opened(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("RATCHET_SCREENSHOTS", tmp_path)) / "loop"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize(("look", "width", "dark"), LOOKS)
def test_the_pages_of_a_real_loop_can_be_read_by_everyone(
    store: Store, page: Page, shots: Path, tmp_path: Path, look: str, width: int, dark: bool
) -> None:
    for name, key in (("loop", loop_key(NAME)), ("round-1", round_key(NAME, 1)), ("round-2", round_key(NAME, 2))):
        path = tmp_path / f"{name}.html"
        path.write_bytes(store.get(key))
        page.look(width=width, dark=dark)
        page.open(path)
        page.screenshot(shots / f"{name}-{look}.png")
        assert page.complaints() == []
        assert page.fetched() == []
        assert page.serious() == []
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.run("document.querySelectorAll('.card').length") > 0


def test_the_gallery_of_a_real_round_has_what_changed_side_by_side(store: Store, page: Page, tmp_path: Path) -> None:
    path = tmp_path / "round.html"
    path.write_bytes(store.get(round_key(NAME, 1)))
    page.look(width=1280)
    page.open(path)
    shown = {item.flip for item in gallery(store, NAME, [1], None, ROUND_ITEMS) if item.split == "holdout"}
    assert len(shown) > 1
    page.run("document.querySelector('[data-flip]').click()")
    assert page.run("[...document.querySelectorAll('.card')].every(c => c.querySelectorAll('.answer').length === 2)")
    names = "[...new Set([...document.querySelectorAll('.card .answer > .who')].map(e => e.textContent))].join()"
    assert page.run(names) == "champion,candidate"
