"""Runs checks side by side. One that hangs or crashes has failed, and says so; nothing but a finding is ever ok."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ratchet.errors import RatchetError
from ratchet.preflight.checking import Check
from ratchet.preflight.context import Context
from ratchet.preflight.finding import Answer, Finding, NotAsked, fail, skipped
from ratchet.preflight.mending import MENDS
from ratchet.preflight.secrets import without_secrets

LOOK_SECONDS = 0.02
LONGEST_WORDS = 600


@dataclass
class _Running:
    """One check and its thread. `looked`: it has something to look at. Whoever is first, check or limit, says how it ended."""

    check: Check
    limit: float
    ended: threading.Event = field(default_factory=threading.Event)
    finding: Finding | None = None
    began: float | None = None
    seconds: float = 0.0
    looked: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)

    def end(self, finding: Finding) -> None:
        with self.lock:
            if self.finding is None:
                self.finding = finding
                self.seconds = time.monotonic() - self.began if self.began is not None else 0.0
        self.ended.set()

    def end_if_late(self) -> None:
        if self.began is None or self.ended.is_set() or time.monotonic() - self.began < self.limit:
            return
        words = f"no answer within {self.limit:g} s"
        self.end(
            fail(words, "Look at what it asks (a firewall that drops, a server that hangs), or give it more --seconds.")
        )

    @property
    def stops_others(self) -> bool:
        """Whether checks after this one have nothing to stand on. One with nothing to look at (no thread) stops none."""
        return self.finding is not None and self.finding.result in ("fail", "skipped") and self.looked


def run_checks(checks: Sequence[Check], context: Context, seconds: float | None = None) -> list[Answer]:
    """All findings, in the order of the checks. `seconds`: limit for each, in place of its own."""
    running = {one.name: _Running(one, seconds or one.limit) for one in checks}
    for one in running.values():
        _prepare(one, context)
    for one in running.values():
        if not one.ended.is_set():
            before = [running[name] for name in one.check.after if name in running]
            # A daemon: a check that hangs in a system call must not keep the program from ending.
            threading.Thread(target=_run, args=(one, before, context), name=one.check.name, daemon=True).start()
    while not all(one.ended.is_set() for one in running.values()):
        for one in running.values():
            one.end_if_late()
        time.sleep(LOOK_SECONDS)
    return [_answer(one, context) for one in running.values()]


def _prepare(one: _Running, context: Context) -> None:
    """End a check that has nothing to look at, and load the libraries of the others: one after the other, as libraries that
    threads import at once may see each other half made."""
    try:
        missing = one.check.lacking(context)
        if missing is not None:
            one.looked = False
            one.end(skipped(missing))
            return
        for name in one.check.imports:
            importlib.import_module(name)
    except Exception as error:
        one.end(_crashed(error))


def _run(one: _Running, before: Sequence[_Running], context: Context) -> None:
    for other in before:
        other.ended.wait()
    stopped = next((other for other in before if other.stops_others), None)
    if stopped is not None:
        said = "did not pass" if stopped.finding is not None and stopped.finding.bad else "was skipped"
        one.end(skipped(f"not looked at: {stopped.check.name} {said}"))
        return
    one.began = time.monotonic()
    try:
        one.end(one.check.run(context))
    except NotAsked as missing:
        one.end(skipped(f"not asked: {missing}"))
    except RatchetError as error:
        mostly = f" What mends it mostly: {mend}." if (mend := MENDS.get(one.check.name)) else ""
        one.end(fail(str(error), f"As the words on the left say.{mostly}"))
    except BaseException as error:
        # A thread that ends without a word would be waited for to its limit.
        one.end(_crashed(error))


def _crashed(error: BaseException) -> Finding:
    return fail(
        f"the check itself crashed: {type(error).__name__}: {error}",
        "Nothing is known of what it looks at. Look at it by hand, and report the words on the left as a bug of ratchet.",
    )


def _answer(one: _Running, context: Context) -> Answer:
    assert one.finding is not None
    found = one.finding
    seen, fix = (_shortly(without_secrets(words, context)) for words in (found.seen, found.fix))
    return Answer(
        check=one.check.name,
        what=one.check.what,
        result=found.result,
        seen=seen,
        fix=fix,
        seconds=round(one.seconds, 3),
    )


def _shortly(words: str) -> str:
    flat = " ".join(words.split())
    return flat if len(flat) <= LONGEST_WORDS else f"{flat[: LONGEST_WORDS - 3]}..."
