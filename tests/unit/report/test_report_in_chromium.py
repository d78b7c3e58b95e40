"""The report in a real browser, from file://: no console error, nothing fetched, filters work, 2,000 items load fast.

RATCHET_SCREENSHOTS names a folder to leave the screenshots in.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from ratchet.report import html
from ratchet.report.collect import collect
from ratchet.report.view import AnswerView, GalleryItem, LoopView
from tests.unit.loops import LOOP
from tests.unit.report.organised import watched_loop

CHROMIUM = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
FLAGS = """
--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --remote-debugging-port=0
"""
# Lazy pictures out of view would be missing in a screenshot of the whole page.
EAGER = (
    "const all = [...document.images]; all.forEach(i => { i.loading = 'eager' }); Promise.all(all.map(i => i.decode()))"
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium; apt-get install -y chromium"),
]


class Page:
    """One tab, driven through the DevTools protocol. `seen` collects the events."""

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(address, timeout=60, suppress_origin=True)
        self.numbers = itertools.count(1)
        self.seen: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self.seen.append(message)

    def open(self, path: Path) -> float:
        """Open a file and return the seconds until its load event."""
        self.seen.clear()
        started = time.perf_counter()
        self.call("Page.navigate", url=path.as_uri())
        while not any(e["method"] == "Page.loadEventFired" for e in self.seen):
            self.seen.append(json.loads(self.socket.recv()))
        return time.perf_counter() - started

    def run(self, script: str) -> Any:
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def look(self, *, width: int, dark: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path) -> None:
        self.run(EAGER)
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 12000), "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[Any]:
        """Console errors, uncaught exceptions, log entries such as a violated policy."""
        self.run("new Promise(done => setTimeout(done, 100))")
        bad = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
        return [e for e in self.seen if e.get("method") in bad]

    def fetched(self) -> list[str]:
        urls = [e["params"]["request"]["url"] for e in self.seen if e["method"] == "Network.requestWillBeSent"]
        return [u for u in urls if not u.startswith(("data:", "file:"))]


def start(profile: Path) -> tuple[subprocess.Popen[str], Page]:
    """Chromium with a fresh profile, and its first tab."""
    command = [str(CHROMIUM), *FLAGS.split(), f"--user-data-dir={profile}", "about:blank"]
    browser = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, text=True)
    port_file, deadline = profile / "DevToolsActivePort", time.monotonic() + 60
    while not port_file.exists() or not port_file.read_text().strip():
        assert browser.poll() is None, "Chromium ended"
        assert time.monotonic() < deadline, "Chromium did not open its port"
        time.sleep(0.05)
    port, path = port_file.read_text().split()
    control = websocket.create_connection(f"ws://127.0.0.1:{port}{path}", timeout=60, suppress_origin=True)
    control.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
    targets = json.loads(control.recv())["result"]["targetInfos"]
    control.close()
    tab = next(t["targetId"] for t in targets if t["type"] == "page")
    return browser, Page(f"ws://127.0.0.1:{port}/devtools/page/{tab}")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    browser, opened = start(tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.socket.close()
    browser.terminate()
    browser.wait(20)


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
