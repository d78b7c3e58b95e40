"""The other end of a contained worker: run as a script, it imports nothing of ratchet and answers one request at a time.

    python -P child.py TASK SECONDS MEMORY_MIB

A request is 4 bytes of length and JSON, and so is a reply: {"ok": value}, or {"error": text, "memory": bool}. CPU time of
one request is limited by a timer whose signal ends the process, since computing in C hears nothing else.
"""

from __future__ import annotations

import ast
import gc
import json
import logging
import os
import resource
import signal
import struct
import sys
import warnings
from collections.abc import Callable
from itertools import groupby
from typing import Any, BinaryIO

MOST_DEPTH = 64
_OTHERS, _EVERY = 16, 300
_GARBAGE = 20_000
_LONGEST = 300


def main() -> None:
    task, seconds, memory_mib = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    # What a library prints must not come between replies.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    answer = TASKS[task]()
    # What was imported stays: collecting garbage need not look through it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    _limit(memory_mib)
    _reply(replies, {"ok": "ready"})
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    while (request := _request(sys.stdin.buffer)) is not None:
        # It stands still while the process waits, and is set anew for the next request.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            reply = {"ok": answer(request)}
        except MemoryError:
            reply = {"error": "out of memory", "memory": True}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"[:_LONGEST]}
        _reply(replies, reply)


def _limit(memory_mib: int) -> None:
    """No more memory than now and so much beside; no file grows, none but the three standard ones is opened for long."""
    with open("/proc/self/statm") as statm:
        now = int(statm.read().split()[0]) * resource.getpagesize()
    most = now + (memory_mib << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _request(stream: BinaryIO) -> Any:
    head = stream.read(4)
    if len(head) < 4:
        return None
    return json.loads(stream.read(struct.unpack(">I", head)[0]))


def _reply(stream: BinaryIO, reply: dict[str, Any]) -> None:
    body = json.dumps(reply).encode()
    stream.write(struct.pack(">I", len(body)) + body)
    stream.flush()


class _Maths:
    """Compares mathematics: {"gold", "given", "take"}. Replies match, wrong, unparsed, ambiguous or bad_reference.

    math-verify takes the last of the most prominent answers of a text ("last"). first: the first of these; only: they
    must all be equal to the gold.
    """

    def __init__(self) -> None:
        from functools import lru_cache

        from math_verify import parser
        from math_verify.grader import verify

        self.parser: Any = parser
        self.verify = verify
        self.config = (parser.LatexExtractionConfig(boxed_match_priority=0), parser.ExprExtractionConfig())
        self.patterns: Any = parser.get_extraction_regexes(self.config)
        # Answers to one prompt come one after the other.
        self.gold_of = lru_cache(maxsize=16)(self.read)
        # Grammars are built on first use.
        self({"gold": "$\\frac{1}{2}$", "given": "$\\sqrt{x^2}+0.5$", "take": "only"})

    def __call__(self, request: Any) -> str:
        gold, text, take = self.gold_of(request["gold"]), request["given"], request["take"]
        given = gold if text == request["gold"] else self.read(text)
        if take == "first":
            given = tuple(self.prominent(text, _EVERY)[-1:])
        if not gold or not given:
            return "unparsed" if gold else "bad_reference"
        if not self.equal(gold, given):
            return "wrong"
        if take == "only" and not all(self.equal(gold, [one]) for one in self.prominent(text, _OTHERS)[1:]):
            return "ambiguous"
        return "match"

    def read(self, text: str) -> tuple[Any, ...]:
        return tuple(self.parser.parse(text, self.config, parsing_timeout=None))

    def equal(self, gold: Any, given: Any) -> bool:
        for one in gold:
            for other in given:
                try:
                    if self.verify([one], [other], timeout_seconds=None, raise_on_error=True):
                        return True
                except MemoryError:
                    raise
                except Exception:
                    continue  # what cannot be compared is not equal, as in math-verify itself
        return False

    def prominent(self, text: str, most: int) -> list[Any]:
        """What the most prominent places of the text say that math-verify finds, apart from each other, the last first."""
        patterns = sorted(((p, at, kind) for ps, kind in self.patterns for p, at in ps), key=lambda one: one[1])
        for _, group in groupby(patterns, key=lambda one: one[1]):
            matches = [(m, kind) for p, _, kind in group for m in p.finditer(text)]
            matches.sort(key=lambda one: (one[0].end(), -one[0].start()), reverse=True)
            if said := self._apart(matches, most):
                return said
        return []

    def _apart(self, matches: list[tuple[Any, Any]], most: int) -> list[Any]:
        """What the matches say, at most so many, each where none before it was read."""
        taken: list[tuple[int, int]] = []
        said: list[Any] = []
        for match, kind in matches:
            start, end = match.span()
            if len(said) < most and not any(start < b and a < end for a, b in taken):
                value, _ = self.parser.extract_match(match, kind)
                if value is not None:
                    taken.append((start, end))
                    said.append(value)
        return said


def _python() -> Callable[[Any], str | None]:
    """Parses a program, which is never run. Replies what is wrong with it, or null."""
    return parse_python


def parse_python(source: str) -> str | None:
    """What is wrong with a program, which is never run; None where it parses."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"[:_LONGEST]
    return None if tree.body else "there is no statement in it"


def _schema() -> Callable[[Any], str | None]:
    """Validates {"schema", "document"}, both JSON as text. Replies what does not fit, or null."""
    from functools import lru_cache

    from jsonschema import Draft202012Validator
    from referencing import Registry

    @lru_cache(maxsize=64)
    def validator(schema: str) -> Any:
        # An empty registry: a reference to elsewhere is an error, never fetched.
        return Draft202012Validator(json.loads(schema), registry=Registry())

    def validate(request: Any) -> str | None:
        document = json.loads(request["document"])
        if _depth(document) > MOST_DEPTH:
            return f"it is nested more than {MOST_DEPTH} deep"
        wrong = next(validator(request["schema"]).iter_errors(document), None)
        return None if wrong is None else f"{wrong.json_path}: {wrong.message}"[:_LONGEST]

    sys.setrecursionlimit(20_000)
    return validate


def _depth(document: Any) -> int:
    depth, layer = 0, [document]
    while layer and depth <= MOST_DEPTH:
        depth += 1
        layer = [
            inner
            for one in layer
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return depth


TASKS: dict[str, Callable[[], Callable[[Any], Any]]] = {"maths": _Maths, "python": _python, "schema": _schema}

if __name__ == "__main__":
    main()
