"""The vitals of a round: what its answers say of the model's health, mostly without any label. Alarms watch them.

Counted in whole numbers (millionths where a mean is wanted), so that sums over shards do not depend on their order. Only
honest answers that were generated count.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ConfigDict

from ratchet.recipe import VerifyConfig
from ratchet.records import Completion, Group, Prompt, Record, Verdict
from ratchet.statistics import entropy, pass_at_k_unbiased
from ratchet.verify.extract import AMBIGUOUS, UNPARSED, reading
from ratchet.verify.policy import UNCHECKED, Judgement, judge
from ratchet.verify.text import normalise

MICRO = 1_000_000
AGREEMENT = "agreement"
"""Name of the part of a vote's verdict that is the winner's share of the voters."""
_UNREADABLE = frozenset({AMBIGUOUS, UNPARSED})
_YES_NO = ("yes", "no")
_TYPE_WORDS = 2
_HALF = 2


class Promise(Record):
    """The precision that a vote promises by itself: the mean share of the winning answer over the groups that it judged.

    The assumption is that the model is calibrated as a sampler: an answer that it gives with probability p is right with
    probability p, on average over the judged groups. Then the winner's share estimates the chance that it is right
    (self-consistency as confidence: Wang et al. 2022). It is optimistic where errors are correlated, which votes cannot
    see: a model that is always wrong in the same way promises 1. It is a little optimistic too because a winner of few
    votes won by luck as well. So a low one is a reason not to train; a high one is none to trust: measure that on labels.
    """

    groups: int
    precision: float


class Vitals(Record):
    """Shares and means of 0..1 unless said otherwise; None where there is nothing to measure them on.

    `agreement`: mean share of the most frequent normalised answer, over the `voted` prompts with at least two answers;
    `entropy`: of their answers, in nats, and `distinct` their number; an unreadable answer is one of its own. `pass_rate`: of
    the decided answers, by the recipe's combined judgement; `pass_at_k`: the unbiased estimate, by k. `tail`: of the prompts with
    a passing answer those where less than half pass. `yes_ratio`: of the `yes_no` answers that begin with yes or no.
    `tokens`: mean length. `unreadable`: no answer can be read, or a verifier could not. `promised` and `scores` are by verifier.
    `question_types`: effective number (e to the entropy) of first words of the `asked` questions that a model asked itself.
    """

    # A later version may measure more; that is no reason to ignore what an older one can read.
    model_config = ConfigDict(frozen=True, extra="ignore")

    prompts: int
    answers: int
    voted: int = 0
    agreement: float | None = None
    entropy: float | None = None
    distinct: float | None = None
    decided: int = 0
    pass_rate: float | None = None
    score: float | None = None
    pass_at_k: dict[str, float] = {}
    tail: float | None = None
    yes_no: int = 0
    yes_ratio: float | None = None
    tokens: float | None = None
    clipped: float | None = None
    unreadable: float | None = None
    promised: dict[str, Promise] = {}
    scores: dict[str, float] = {}
    asked: int = 0
    question_types: float | None = None
    top_question: str | None = None
    top_question_share: float | None = None


class VitalsTally:
    """Adds up groups; `passes` counts groups by "decided/passed", `questions` self-asked ones by their first words."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.passes: Counter[str] = Counter()
        self.questions: Counter[str] = Counter()

    def add(self, group: Group, lists: Sequence[tuple[Verdict, ...]], config: VerifyConfig) -> None:
        self.counts["prompts"] += 1
        if group.prompt.origin is not None:
            self.questions[_question_type(group.prompt)] += 1
        answers = [
            (c, v) for c, v in zip(group.completions, lists, strict=True) if c.finish_reason != "error" and c.honest
        ]
        if answers:
            readings = {text: reading(text) for text in {c.text for c, _ in answers}}
            self._judged(answers, readings, config)
            self._said([c for c, _ in answers], readings)

    def _said(self, answers: Sequence[Completion], readings: Mapping[str, str | None]) -> None:
        """What the texts say by themselves."""
        counts, n = self.counts, len(answers)
        sizes: Counter[str] = Counter()
        alone = 0
        for text, number in Counter(c.text for c in answers).items():
            said = readings[text]
            if said is None:
                alone += number
                continue
            sizes[said] += number
            first = said.split(" ", 1)[0].rstrip(".,;:!")
            if first in _YES_NO:
                counts[first] += number
        counts["answers"] += n
        counts["empty"] += alone
        counts["tokens"] += sum(c.n_tokens for c in answers)
        counts["clipped"] += sum(c.finish_reason == "length" for c in answers)
        if n > 1:
            counts["voted"] += 1
            counts["agreement"] += round(MICRO * max(sizes.values(), default=0) / n)
            counts["entropy"] += round(MICRO * entropy([*sizes.values(), *[1] * alone]))
            counts["distinct"] += len(sizes) + alone

    def _judged(
        self,
        answers: Sequence[tuple[Completion, tuple[Verdict, ...]]],
        readings: Mapping[str, str | None],
        config: VerifyConfig,
    ) -> None:
        """What the verifiers say: verdicts of equal answers are the same objects, so each is looked at once."""
        alike: dict[tuple[int, ...], list[Any]] = {}
        for completion, verdicts in answers:
            same = alike.setdefault(tuple(map(id, verdicts)), [verdicts, 0, 0])
            same[1] += 1
            same[2] += readings[completion.text] is not None
        decided = passed = 0
        for verdicts, number, readable in alike.values():
            judged = judge(verdicts, config)
            if judged.reason == UNCHECKED:
                judged = Judgement(None, None)  # with policy none everything passes, which says nothing
            decided += number * (judged.passed is not None)
            passed += number * (judged.passed is True)
            if judged.score is not None:
                self.counts["scored"] += number
                self.counts["score"] += round(MICRO * judged.score) * number
            if any(v.reason in _UNREADABLE for v in verdicts):
                self.counts["unparsed"] += readable
            self._scores(verdicts, number)
        self._promises(answers[0][1])
        if decided:
            self.passes[f"{decided}/{passed}"] += 1

    def _scores(self, verdicts: Sequence[Verdict], number: int) -> None:
        for one in verdicts:
            if one.score is not None:
                self.counts[f"scored {one.verifier}"] += number
                self.counts[f"score {one.verifier}"] += round(MICRO * one.score) * number

    def _promises(self, verdicts: Sequence[Verdict]) -> None:
        """A vote tells its agreement with every verdict; one that it did not judge by promises nothing."""
        for one in verdicts:
            share = next((p.score for p in one.parts if p.name == AGREEMENT), None) if one.score is not None else None
            if share is not None:
                self.counts[f"promises {one.verifier}"] += 1
                self.counts[f"promised {one.verifier}"] += round(MICRO * share)

    def __iadd__(self, other: VitalsTally) -> VitalsTally:
        for mine, theirs in zip(self._counters(), other._counters(), strict=True):
            mine.update(theirs)
        return self

    def _counters(self) -> tuple[Counter[str], ...]:
        return self.counts, self.passes, self.questions

    def dump(self) -> dict[str, Any]:
        return {"counts": self.counts, "passes": self.passes, "questions": self.questions}

    @classmethod
    def load(cls, raw: Mapping[str, Mapping[str, int]]) -> VitalsTally:
        tally = cls()
        for name in ("counts", "passes", "questions"):
            setattr(tally, name, Counter(raw[name]))
        return tally

    def vitals(self) -> Vitals:
        counts = self.counts
        decided, passed, solved, tail = self._passing()
        types = self.questions.most_common(1)
        return Vitals(
            prompts=counts["prompts"],
            answers=counts["answers"],
            voted=counts["voted"],
            agreement=_mean(counts["agreement"], counts["voted"]),
            entropy=_mean(counts["entropy"], counts["voted"]),
            distinct=share(counts["distinct"], counts["voted"]),
            decided=decided,
            pass_rate=share(passed, decided),
            score=_mean(counts["score"], counts["scored"]),
            pass_at_k=self._pass_at_k(),
            tail=share(tail, solved),
            yes_no=counts["yes"] + counts["no"],
            yes_ratio=share(counts["yes"], counts["yes"] + counts["no"]),
            tokens=share(counts["tokens"], counts["answers"]),
            clipped=share(counts["clipped"], counts["answers"]),
            unreadable=share(counts["empty"] + counts["unparsed"], counts["answers"]),
            promised={
                name: Promise(groups=n, precision=_mean(counts[f"promised {name}"], n) or 0.0)
                for name, n in self._named("promises ")
            },
            scores={name: _mean(counts[f"score {name}"], n) or 0.0 for name, n in self._named("scored ")},
            asked=self.questions.total(),
            question_types=round(math.exp(entropy(list(self.questions.values()))), 6) if types else None,
            top_question=types[0][0] if types else None,
            top_question_share=share(types[0][1], self.questions.total()) if types else None,
        )

    def _named(self, prefix: str) -> list[tuple[str, int]]:
        return sorted((name.removeprefix(prefix), n) for name, n in self.counts.items() if name.startswith(prefix))

    def _groups(self) -> list[tuple[int, int, int]]:
        """(decided, passed, groups), in order: sums of floats must not depend on the shards'."""
        found = []
        for name, number in self.passes.items():
            decided, _, passed = name.partition("/")
            found.append((int(decided), int(passed), number))
        return sorted(found)

    def _passing(self) -> tuple[int, int, int, int]:
        """Answers decided and passed; groups with a passing answer, and of these the ones where less than half pass."""
        groups = self._groups()
        return (
            sum(n * number for n, _, number in groups),
            sum(c * number for _, c, number in groups),
            sum(number for _, c, number in groups if c),
            sum(number for n, c, number in groups if 0 < _HALF * c < n),
        )

    def _pass_at_k(self) -> dict[str, float]:
        """At 1, 2, 4, .. and the most answers that any group has; over the groups that have as many."""
        groups = self._groups()
        most = max((n for n, _, _ in groups), default=0)
        found = {}
        for k in sorted({*(2**i for i in range(most.bit_length())), most} - {0}):
            whole = [(n, c, number) for n, c, number in groups if n >= k]
            chance = math.fsum(pass_at_k_unbiased(n, c, k) * number for n, c, number in whole)
            found[str(k)] = round(chance / sum(number for _, _, number in whole), 6)
        return found


def _question_type(prompt: Prompt) -> str:
    return " ".join(normalise(prompt.question).split(" ")[:_TYPE_WORDS])


def _mean(micros: int, number: int) -> float | None:
    return share(micros, number * MICRO)


def share(part: int, whole: int) -> float | None:
    """A share as results hold it; None of nothing."""
    return round(part / whole, 6) if whole else None
