"""What a verifier is, and how a pure rule on one answer becomes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from ratchet.records import Group, Part, Prompt, Verdict

NO_REFERENCE = "no_reference"
_SHOWN = 80
_ROUNDING = 1e-9


class Finding(NamedTuple):
    """What a rule says of one answer. `score` None: it could not decide, and `reason` says why."""

    score: float | None
    passed: bool | None
    reason: str
    detail: str | None = None
    parts: tuple[Part, ...] = ()


Check = Callable[[Prompt, str], Finding]


class Pace(NamedTuple):
    """How whoever runs a verifier hands it groups: so many at once, and under the stage's time limit or not.

    What waits for a model or a subprocess is not `limited`: it has limits of its own for each verdict, and is stopped
    from outside neither safely nor usefully.
    """

    batch: int = 64
    limited: bool = True


class Verifier(Protocol):
    """Decides from evidence whether completions are right. Sees whole groups, so that votes and ranks fit.

    `verify` returns for each group one verdict per completion. It may raise: whoever calls it turns that into unscored
    verdicts. `self_check` says why the prompt's reference is not accepted, or a corruption of it not rejected; None
    where all is well.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]: ...

    def self_check(self, prompt: Prompt) -> str | None: ...


@runtime_checkable
class Paced(Protocol):
    """A verifier that wants another pace than the default."""

    @property
    def pace(self) -> Pace: ...


def reaches(value: float, threshold: float) -> bool:
    """Whether a value is at least the threshold, but for what adding up floats may have cost it."""
    return value >= threshold - _ROUNDING


def pace_of(verifier: Verifier) -> Pace:
    """The verifier's own pace, or the default."""
    return verifier.pace if isinstance(verifier, Paced) else Pace()


@dataclass(frozen=True)
class Rule:
    """A verifier that looks at one answer at a time.

    `gold` makes a right answer from the prompt, where that is not the reference as it stands; `corrupt` makes a wrong one.
    """

    name: str
    version: str
    check: Check
    corrupt: Callable[[Prompt], str] | None = None
    needs_reference: bool = True
    gold: Callable[[Prompt], str] | None = None

    def verify(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        made: dict[Finding, Verdict] = {}
        return [self._group(group, made) for group in groups]

    def self_check(self, prompt: Prompt) -> str | None:
        if self.needs_reference and prompt.reference is None:
            return f"verifier {self.name} needs a reference, and the prompt has none; add one."
        right = self.right_answer(prompt)
        if right is None:
            return None
        found = self.check(prompt, right)
        if not found.passed:
            return (
                f"verifier {self.name} does not accept the reference {right[:_SHOWN]!r} ({found.reason}); "
                "mend it or name another verifier."
            )
        if self.corrupt is None:
            return None
        wrong = self.corrupt(prompt)
        if self.check(prompt, wrong).passed:
            return f"verifier {self.name} accepts {wrong[:_SHOWN]!r} for the reference {right[:_SHOWN]!r}; name a stricter one."
        return None

    def right_answer(self, prompt: Prompt) -> str | None:
        """What the rule must accept; None where the prompt has no reference to make it from."""
        return prompt.reference if self.gold is None else self.gold(prompt)

    def _group(self, group: Group, made: dict[Finding, Verdict]) -> list[Verdict]:
        prompt = group.prompt
        if self.needs_reference and prompt.reference is None:
            return [self._verdict(Finding(None, None, NO_REFERENCE), made)] * len(group.completions)
        # Samples of one prompt repeat a lot: each text is checked once.
        known: dict[str, Verdict] = {}
        verdicts = []
        for completion in group.completions:
            verdict = known.get(completion.text)
            if verdict is None:
                verdict = known[completion.text] = self._verdict(self.check(prompt, completion.text), made)
            verdicts.append(verdict)
        return verdicts

    def _verdict(self, found: Finding, made: dict[Finding, Verdict]) -> Verdict:
        verdict = made.get(found)
        if verdict is None:
            verdict = made[found] = Verdict(verifier=self.name, version=self.version, **found._asdict())
        return verdict


def per_completion(
    check: Check,
    *,
    name: str | None = None,
    version: str = "1",
    corrupt: Callable[[Prompt], str] | None = None,
    needs_reference: bool = True,
) -> Rule:
    """Lift a pure rule `(prompt, text) -> Finding` to a verifier; its name defaults to the function's."""
    return Rule(name or check.__name__.strip("_"), version, check, corrupt, needs_reference)
