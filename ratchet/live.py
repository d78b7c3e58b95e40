"""Live progress in the terminal: reads the events that stages append, shows stage, rate and time left.

In a terminal one line a source moves; in a log (no terminal) one line is printed a stage.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ratchet import canonical
from ratchet.progress import VARIABLE

LOOK_SECONDS = 0.25


@contextmanager
def watching(console: Console) -> Iterator[None]:
    """Show how far the stages get that run in this process meanwhile. In a log (no terminal) nothing is shown."""
    if not console.is_terminal or VARIABLE in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="ratchet-progress-") as folder:
        file, ended = Path(folder) / "progress.jsonl", threading.Event()
        os.environ[VARIABLE] = str(file)
        with Live(console, {"stage": file}) as live:
            looking = threading.Thread(target=_look, args=(live, ended), daemon=True)
            looking.start()
            try:
                yield
            finally:
                ended.set()
                looking.join()
                del os.environ[VARIABLE]


def _look(live: Live, ended: threading.Event) -> None:
    while not ended.wait(LOOK_SECONDS):
        live.look()


class RateColumn(ProgressColumn):
    """Units a second."""

    def render(self, task: Task) -> Text:
        if not task.speed:
            return Text("")
        return Text(f"{task.speed:,.0f} {task.fields.get('unit', '')}/s", style="dim")


class EventFile:
    """The events of one source that were appended since the last look. A half-written last line waits for the next."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0

    def new(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        end = data.rfind(b"\n") + 1
        self._at += end
        return [canonical.loads(line) for line in data[:end].splitlines() if line]


class Live:
    """Shows the events of several sources until it is closed; call `look()` a few times a second."""

    def __init__(self, console: Console, sources: dict[str, Path]) -> None:
        self.console = console
        self._files = {name: EventFile(path) for name, path in sources.items()}
        self._current: dict[str, tuple[str, TaskID | None, float]] = {}
        self._parts: dict[str, dict[str, tuple[float, float]]] = {}
        self._progress = Progress(
            TextColumn("{task.fields[source]:<10}"),
            TextColumn("[bold]{task.description:<22}"),
            BarColumn(bar_width=28),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}"),
            RateColumn(),
            TimeRemainingColumn(compact=True),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )

    def __enter__(self) -> Live:
        if self.console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.look()
        for source in list(self._current):
            self._end(source)
        if self.console.is_terminal:
            self._progress.stop()

    def look(self) -> None:
        """Take up what came since the last look."""
        for source, file in self._files.items():
            for event in file.new():
                self._take(source, event)

    def ended(self, source: str, text: str) -> None:
        """The source has nothing more to do for now: close its line and say how it ended."""
        self.look()
        self._end(source)
        self.console.print(text, highlight=False)

    def _take(self, source: str, event: dict[str, Any]) -> None:
        title = f"round {event['round']}  {event['stage']}" if source == "round" else event["stage"]
        current = self._current.get(source)
        if current is None or current[0] != title:
            self._end(source)
            task = None
            if self.console.is_terminal:
                task = self._progress.add_task(title, total=event["total"], source=source, unit=event["unit"])
            self._current[source] = (title, task, time.monotonic())
            self._parts[source] = {}
        task = self._current[source][1]
        # Tasks that share a stage each tell of their own part: the line shows their sum.
        self._parts[source][event.get("part", "")] = (event["done"], event["total"])
        done, total = (sum(numbers) for numbers in zip(*self._parts[source].values(), strict=True))
        if task is not None:
            self._progress.update(task, completed=done, total=total, unit=event["unit"])

    def _end(self, source: str) -> None:
        current = self._current.pop(source, None)
        if current is None:
            return
        title, task, started = current
        if task is not None:
            self._progress.remove_task(task)
        self.console.print(f"[dim]{source:<10}[/dim] {title:<24} {time.monotonic() - started:6.1f} s", highlight=False)
