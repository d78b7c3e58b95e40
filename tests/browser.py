"""A real browser for tests: headless Chromium, driven through its DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import pytest
import websocket

CHROMIUM = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
FLAGS = """
--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --remote-debugging-port=0
"""
# Lazy pictures out of view would be missing in a screenshot of the whole page.
EAGER = (
    "const all = [...document.images]; all.forEach(i => { i.loading = 'eager' }); Promise.all(all.map(i => i.decode()))"
)
KEYS = {
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "Escape": 27,
    "Enter": 13,
    "Tab": 9,
    "/": 191,
}
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium; apt-get install -y chromium")


class Page:
    """One tab, driven through the DevTools protocol. `seen` collects the events."""

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(address, timeout=200, suppress_origin=True)
        self.numbers = itertools.count(1)
        self.seen: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self.seen.append(message)

    def open(self, path: Path, at: str = "") -> float:
        """Open a file, at "#an-anchor", and return the seconds until its load event."""
        if at:
            # An address that differs in its anchor alone would not be loaded again.
            self._load("about:blank")
        self.seen.clear()
        started = time.perf_counter()
        self._load(path.as_uri() + at)
        return time.perf_counter() - started

    def _load(self, url: str) -> None:
        """Until the load event of this very document: that of the one before may come late."""
        loader = self.call("Page.navigate", url=url)["loaderId"]
        wanted = {"name": "load", "loaderId": loader}
        while not any(
            e["method"] == "Page.lifecycleEvent" and wanted.items() <= e["params"].items() for e in self.seen
        ):
            self.seen.append(json.loads(self.socket.recv()))

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

    def press(self, key: str, code: int = 0) -> None:
        """A key as a keyboard sends it: "ArrowRight", "Escape", "/"."""
        typed = {"text": key} if len(key) == 1 else {}
        self.call(
            "Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code or KEYS.get(key, 0), **typed
        )
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code or KEYS.get(key, 0))

    def serious(self) -> list[str]:
        """axe's serious and critical findings, with what they were found on."""
        self.run(axe() + "; undefined")
        found = self.run("axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations))")
        return [
            f"{one['id']} ({one['impact']}): {one['help']}: " + "; ".join(str(n["target"][0]) for n in one["nodes"][:5])
            for one in json.loads(found)
            if one["impact"] in ("serious", "critical")
        ]


def start(profile: Path) -> tuple[subprocess.Popen[str], Page]:
    """Chromium with a fresh profile, and its first tab."""
    command = [str(CHROMIUM), *FLAGS.split(), f"--user-data-dir={profile}", "about:blank"]
    browser = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, text=True)
    port_file, deadline = profile / "DevToolsActivePort", time.monotonic() + 240
    while not port_file.exists() or not port_file.read_text().strip():
        assert browser.poll() is None, "Chromium ended"
        assert time.monotonic() < deadline, "Chromium did not open its port"
        time.sleep(0.05)
    port, path = port_file.read_text().split()
    control = websocket.create_connection(f"ws://127.0.0.1:{port}{path}", timeout=200, suppress_origin=True)
    # The port may be open before the first tab is.
    while not (tabs := _tabs(control)):
        assert time.monotonic() < deadline, "Chromium did not open a tab"
        time.sleep(0.05)
    control.close()
    return browser, Page(f"ws://127.0.0.1:{port}/devtools/page/{tabs[0]}")


def _tabs(control: websocket.WebSocket) -> list[str]:
    control.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
    targets = json.loads(control.recv())["result"]["targetInfos"]
    return [target["targetId"] for target in targets if target["type"] == "page"]


@contextmanager
def opened(profile: Path) -> Iterator[Page]:
    """A browser's first tab; the browser ends with it."""
    browser, page = start(profile)
    try:
        yield page
    finally:
        page.socket.close()
        browser.terminate()
        browser.wait(120)


@cache
def axe() -> str:
    """axe-core's script, from the package that brings it; skips the test where that is not installed."""
    try:
        found = [f for f in files("axe-playwright-python") or () if f.name == "axe.min.js"]
    except PackageNotFoundError:
        pytest.skip("axe-playwright-python is not installed; `make dev` brings axe-core with it")
    return Path(str(found[0].locate())).read_text(encoding="utf-8")
