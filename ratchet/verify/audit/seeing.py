"""One verifier on the slice: what it says of every answer and probe, and of two answers in either order."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ratchet.records import Completion, Group, Verdict
from ratchet.verify.applying import verdicts_of
from ratchet.verify.audit.slices import Case, Slice, thinned
from ratchet.verify.contained import Contained
from ratchet.verify.protocol import Rule, Verifier, pace_of

ANSWER = "answer"
INCONSISTENT = "inconsistent"


class Seen(NamedTuple):
    """One verdict with what is known of its text. `place` is that of the answer or of the probe in its case."""

    case: int
    place: int
    cluster: str
    sort: str
    kind: str
    right: bool
    length: int
    model: str
    verdict: Verdict

    @property
    def credit(self) -> float | None:
        """1 passed, 0 not; where it does not say, the score; None where that is missing too."""
        return float(self.verdict.passed) if self.verdict.passed is not None else self.verdict.score


class Flip(NamedTuple):
    """One comparison asked in both orders."""

    cluster: str
    flipped: bool


@dataclass
class Seeing:
    """All that one verifier said. `seconds` are of the wall."""

    version: str = ""
    seen: list[Seen] = field(default_factory=list)
    flips: list[Flip] | None = None
    seconds: float = 0.0
    judged: int = 0


@dataclass
class Looker:
    """Shows one verifier the cases numbered in `places`."""

    name: str
    verifiers: Mapping[str, Verifier]
    slice: Slice
    places: Sequence[int]
    seconds: float
    seeing: Seeing = field(default_factory=Seeing)

    def look(self) -> Seeing:
        """Answers as a round has them; then probes; then, where it compares, two answers in both orders."""
        verifier = self.verifiers[self.name]
        self.seeing.version = verifier.version
        cases = [self.slice.cases[place] for place in self.places]
        answered = self._verdicts([case.group() for case in cases])
        for place, case, verdicts in zip(self.places, cases, answered, strict=True):
            self._note_answers(place, case, verdicts)
        among = not isinstance(verifier, Rule | Contained)
        chosen = [self._probes(case, verifier) for case in cases]
        groups = [case.probed(one, among_answers=among) for case, one in zip(cases, chosen, strict=True)]
        for place, case, one, verdicts in zip(self.places, cases, chosen, self._verdicts(groups), strict=True):
            self._note_probes(place, case, one, verdicts[len(verdicts) - len(one) :])
        if any(compares(verdict) for verdicts in answered for verdict in verdicts):
            self.seeing.flips = self._flips(cases)
        return self.seeing

    def _probes(self, case: Case, verifier: Verifier) -> list[int]:
        waits = not pace_of(verifier).limited
        return thinned(case, self.slice.draw) if waits else list(range(len(case.probes)))

    def _verdicts(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        start = time.perf_counter()
        found = verdicts_of(groups, [self.name], self.seconds, self.verifiers)
        self.seeing.seconds += time.perf_counter() - start
        self.seeing.judged += sum(len(lists) for lists in found)
        return [[verdict for (verdict,) in lists] for lists in found]

    def _note_answers(self, place: int, case: Case, verdicts: Sequence[Verdict]) -> None:
        for number, (answer, right, verdict) in enumerate(zip(case.answers, case.rights, verdicts, strict=True)):
            if right is not None:
                known = (place, number, case.prompt.split_key, ANSWER, "", right, len(answer.text), answer.model)
                self.seeing.seen.append(Seen(*known, verdict))

    def _note_probes(self, place: int, case: Case, chosen: Sequence[int], verdicts: Sequence[Verdict]) -> None:
        for number, verdict in zip(chosen, verdicts, strict=True):
            probe = case.probes[number]
            right = probe.sort != "corrupted"
            known = (place, number, case.prompt.split_key, probe.sort, probe.kind, right, len(probe.text), "reference")
            self.seeing.seen.append(Seen(*known, verdict))

    def _flips(self, cases: Sequence[Case]) -> list[Flip]:
        pairs = [(case, two) for case in cases if (two := _two(case)) is not None]
        there = self._verdicts([Group(prompt=case.prompt, completions=_numbered(two)) for case, two in pairs])
        back = self._verdicts([Group(prompt=case.prompt, completions=_numbered(two[::-1])) for case, two in pairs])
        found = []
        for (case, _), one, other in zip(pairs, there, back, strict=True):
            first, again = one[0], other[1]
            if _decided(first) and _decided(again):
                flipped = INCONSISTENT in (first.reason, again.reason) or first.score != again.score
                found.append(Flip(case.prompt.split_key, flipped or first.passed != again.passed))
        return found


def compares(verdict: Verdict) -> bool:
    """Whether a verdict comes of comparing two answers."""
    named = any(part.name.startswith("versus ") for part in verdict.parts)
    return verdict.versus is not None or verdict.reason == INCONSISTENT or named


def _decided(verdict: Verdict) -> bool:
    return verdict.reason == INCONSISTENT or verdict.score is not None or verdict.passed is not None


def _two(case: Case) -> tuple[Completion, ...] | None:
    """The first two answers that differ."""
    first = case.answers[0] if case.answers else None
    other = next((one for one in case.answers if first is not None and one.text != first.text), None)
    return None if first is None or other is None else (first, other)


def _numbered(two: Sequence[Completion]) -> tuple[Completion, ...]:
    return tuple(one.model_copy(update={"index": index}) for index, one in enumerate(two))
