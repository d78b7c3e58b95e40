"""Slices whose every answer is known, and verifiers that are wrong, or biased, exactly as a test wants it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ratchet.recipe import VerifyConfig
from ratchet.records import Completion, Group, Prompt, Verdict
from ratchet.verify import VERIFIERS, Verifier
from ratchet.verify.audit.auditing import audit
from ratchet.verify.audit.probes import lexicon_for, probes
from ratchet.verify.audit.result import Audited, AuditResult
from ratchet.verify.audit.slices import Case, Slice
from ratchet.verify.panel import Panel
from ratchet.verify.protocol import Pace
from tests import rows

Says = Callable[[Prompt, Completion], bool | None]
DEFAULT = Pace()
OWN_MODEL, OTHER_MODEL = "own v1", "other v1"


@lru_cache(maxsize=32)
def slice_of(
    prompts: int = 100, k: int = 4, right: float = 0.5, seed: int = 0, models: Sequence[str] = ("m v1",)
) -> Slice:
    """Prompts with reference n % 7; `k` answers of each model, right with chance `right`. Wrong ones differ in length."""
    rng = random.Random(seed)
    cases = []
    for number in range(prompts):
        prompt = rows.prompt(number, str(number % 7))
        texts = [_text(rng.random() < right, number, rng) for _ in range(k * len(models))]
        answers = tuple(
            rows.completion(index, text).model_copy(update={"model": models[index // k]})
            for index, text in enumerate(texts)
        )
        rights = tuple(is_right(prompt, answer) for answer in answers)
        made = probes(prompt, (), VERIFIERS, lexicon_for("english", [prompt]), seed)
        cases.append(Case(prompt, answers, rights, made))
    return Slice(tuple(cases), "labels", k, 1.0, seed)


def _text(right: bool, number: int, rng: random.Random) -> str:
    wrong = number % 7 + rng.randint(1, 9)
    said = str(number % 7 if right else wrong)
    return rng.choice((said, f"it is surely {said}"))


def is_right(prompt: Prompt, completion: Completion) -> bool:
    return completion.text.split()[-1].rstrip(".") == prompt.reference


@dataclass
class Scripted:
    """Looks at one answer at a time and passes what `says` says."""

    says: Says
    name: str = "scripted"
    version: str = "1"
    pace: Pace = DEFAULT
    tokens: int = 0
    read: list[str] = field(default_factory=list)

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        return [[self._verdict(group.prompt, one) for one in group.completions] for group in groups]

    def self_check(self, prompt: Prompt) -> str | None:
        return None

    def _verdict(self, prompt: Prompt, completion: Completion) -> Verdict:
        self.read.append(prompt.id)
        passed = self.says(prompt, completion)
        score = None if passed is None else float(passed)
        return Verdict(verifier=self.name, version="1", score=score, passed=passed, reason="said", tokens=self.tokens)


@dataclass
class Comparing:
    """Compares each answer with the other of the group; with chance `first` it takes the one that it reads first."""

    first: float
    name: str = "comparing"
    version: str = "1"
    pace: Pace = DEFAULT

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        return [[self._verdict(group, place) for place in range(len(group.completions))] for group in groups]

    def self_check(self, prompt: Prompt) -> str | None:
        return None

    def _verdict(self, group: Group, place: int) -> Verdict:
        other = (place + 1) % len(group.completions)
        texts = [group.completions[place].text, group.completions[other].text]
        biased = random.Random("".join(sorted(texts)) + group.prompt.id).random() < self.first
        won = place < other if biased else texts[0] < texts[1]
        return Verdict(
            verifier=self.name, version="1", score=float(won), passed=won, reason="win" if won else "loss", versus=other
        )


def erring(rate: float, seed: int) -> Scripted:
    """Wrong on purpose in a share of all answers."""

    def says(prompt: Prompt, completion: Completion) -> bool:
        wrong = random.Random(f"{seed}/{prompt.id}/{completion.index}/{completion.text}").random() < rate
        return is_right(prompt, completion) != wrong

    return Scripted(says)


def audited(
    verifier: Verifier, slice_: Slice, own: frozenset[str] = frozenset(), config: VerifyConfig | None = None
) -> Audited:
    found = audit_of([verifier], slice_, own, config).of(verifier.name)
    assert found is not None
    return found


def audit_of(
    verifiers: Sequence[Verifier], slice_: Slice, own: frozenset[str] = frozenset(), config: VerifyConfig | None = None
) -> AuditResult:
    panel = Panel(tuple(one.name for one in verifiers), {one.name: one for one in verifiers})
    return audit(panel, slice_, config or VerifyConfig(), {one.name: own for one in verifiers})
