"""The log of the training's first node, as it comes: into this process's own log, and its progress into the stage's."""

from __future__ import annotations

import re
import sys
import threading
from collections import deque

from ratchet.progress import Progress
from ratchet.train.launchers.logs import TAIL_LINES, redacted
from ratchet.train.launchers.trainjob.api import Api, Away, Refused
from ratchet.train.launchers.trainjob.manifest import NODE

AGAIN_SECONDS = 2.0
LAST_SECONDS = 5.0
_PROGRESS = re.compile(r"(?:\[?rank ?\d+[:\]] ?)?train (?P<done>\d+)/(?P<total>\d+) (?P<unit>\w+) ?(?P<note>.*)")


class Following:
    """Follows one pod after the other, in a thread; `pod` names the present one. A connection that breaks is made again from
    the last line's time on, so that no line is told twice and none is left out."""

    def __init__(self, api: Api, progress: Progress) -> None:
        self._api, self._progress = api, progress
        self._pod: str | None = None
        self._since = ""
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._news = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trainjob-log", daemon=True)

    def pod(self, name: str | None) -> None:
        """Follow this pod's log from now on; None changes nothing."""
        if name is None or name == self._pod:
            return
        self._pod, self._since = name, ""
        if not self._thread.is_alive() and not self._stop.is_set():
            self._thread.start()
        self._news.set()

    def stop(self) -> None:
        """Take in no more."""
        self._stop.set()
        self._news.set()

    def end(self) -> None:
        """Take in what is left of the log of pods that have ended, for some seconds at most, and stop."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(LAST_SECONDS)

    def tail(self) -> str:
        """The last lines, without secrets."""
        return redacted("\n".join(self._tail))

    def _run(self) -> None:
        while True:
            ending = self._stop.is_set()
            pod = self._pod
            if pod is not None:
                self._read(pod, follow=not ending)
            if ending:
                return
            self._news.wait(AGAIN_SECONDS)
            self._news.clear()

    def _read(self, pod: str, *, follow: bool) -> None:
        path = f"/api/v1/namespaces/{self._api.namespace}/pods/{pod}/log"
        query = {"container": NODE, "timestamps": "true", "follow": "true" if follow else "false"}
        if self._since:
            query["sinceTime"] = self._since
        seen = self._since
        try:
            for line in self._api.lines(path, query):
                moment, _, text = line.partition(" ")
                if moment > seen:
                    self._take(text)
                    self._since = moment
        except (Away, Refused):
            # Refused too: a container that is being started has no log yet, and a pod may go. The job's state tells more.
            return

    def _take(self, line: str) -> None:
        self._tail.append(line)
        sys.stderr.write(f"node 0: {redacted(line)}\n")
        sys.stderr.flush()
        found = _PROGRESS.fullmatch(line.strip())
        if found is not None:
            self._progress(int(found["done"]), int(found["total"]), found["unit"], found["note"])
