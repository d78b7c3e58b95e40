"""The review's page in a real browser: labelled by keyboard and by click, hostile text stays text, nothing foreign is fetched.

RATCHET_SCREENSHOTS names a folder to leave the screenshots in.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ratchet.review import Labels
from ratchet.review.doubts import queue
from ratchet.review.server import Review, ReviewServer
from tests.browser import CHROMIUM, Page, start
from tests.unit.loops import LOOP
from tests.unit.review.made import reviewed_loop

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium; apt-get install -y chromium"),
]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    browser, opened = start(tmp_path / "chromium")
    yield opened
    opened.socket.close()
    browser.terminate()
    browser.wait(20)


def until(page: Page, script: str) -> Any:
    """What a script comes to, as soon as that is true."""
    deadline = time.monotonic() + 30
    while not (found := page.run(script)):
        assert time.monotonic() < deadline, script
        time.sleep(0.05)
    return found


def press(page: Page, key: str) -> None:
    text = {"text": key} if len(key) == 1 else {}
    page.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
    page.call("Input.dispatchKeyEvent", type="keyUp", key=key)


def shot(page: Page, path: Path) -> None:
    taken = page.call("Page.captureScreenshot", captureBeyondViewport=True)
    path.write_bytes(base64.b64decode(taken["data"]))
    assert path.stat().st_size > 5000


@pytest.fixture
def shots(tmp_path: Path) -> Callable[[str], Path]:
    folder = Path(os.environ.get("RATCHET_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return lambda name: folder / f"review-{name}.png"


def test_answers_are_labelled_by_keyboard_and_by_click(page, tmp_path, shots):
    _, store = reviewed_loop(tmp_path)
    doubts, banks = queue(store, LOOP, flips=True)
    labels = Labels(store, LOOP)
    with ReviewServer(Review(LOOP, doubts, banks, labels, "ann"), 0) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        page.look(width=1280)
        page.call("Page.navigate", url=server.address)
        until(page, "document.getElementById('place')?.textContent === '1 of 5'")
        until(page, "[...document.images].length && [...document.images].every(i => i.complete && i.naturalWidth)")
        press(page, "v")
        assert page.run("document.querySelectorAll('#said tbody tr').length") == 2
        assert page.run("window.hacked === undefined && document.querySelectorAll('#answer *').length") == 0
        shot(page, shots("light"))
        press(page, "1")
        until(page, "document.getElementById('place').textContent === '2 of 5'")
        press(page, "o")
        press(page, "2")
        assert (
            until(page, "document.getElementById('message').textContent") == "An override needs a note that says why."
        )
        page.run("document.getElementById('note').value = 'three cats, not two'")
        page.run("document.getElementById('note').blur()")
        page.run("document.querySelector('[data-choice=wrong]').click()")
        until(page, "document.getElementById('place').textContent === '3 of 5'")
        assert page.run("document.getElementById('override').offsetWidth") < 30
        page.run("document.querySelector('[data-step=\"-1\"]').click()")
        until(page, "document.getElementById('place').textContent === '2 of 5'")
        page.run("document.querySelector('[data-step=\"1\"]').click()")
        until(page, "document.getElementById('place').textContent === '3 of 5'")
        press(page, "ArrowLeft")
        until(page, "document.querySelector('[data-choice=wrong]').getAttribute('aria-pressed') === 'true'")
        press(page, "ArrowRight")
        while page.run("document.getElementById('held').hidden"):
            place = page.run("document.getElementById('place').textContent")
            press(page, "3")
            until(page, f"document.getElementById('place').textContent !== '{place}'")
        page.look(width=390, dark=True)
        shot(page, shots("phone-holdout"))
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        seen = page.complaints()
        urls = [e["params"]["request"]["url"] for e in page.seen if e["method"] == "Network.requestWillBeSent"]
        server.shutdown()
    assert [e for e in seen if e["params"].get("entry", {}).get("source") != "network"] == [], json.dumps(seen)[:2000]
    own = f"http://127.0.0.1:{server.server_port}/"
    assert [url for url in urls if not url.startswith(server.address)] in ([], [f"{own}favicon.ico"])
    kept = [(one.choice, one.override, one.note) for one in labels.of("pool")]
    assert kept[0] == ("right", False, "")
    assert ("wrong", True, "three cats, not two") in kept
