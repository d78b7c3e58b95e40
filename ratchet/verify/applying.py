"""Run verifiers over groups: in batches, under a time limit, and whatever breaks becomes an unscored verdict."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ratchet.errors import ModelError, SamplingError, VerifierError, VerifierUnavailable
from ratchet.recipe.verifiers import OWN
from ratchet.records import Completion, Group, Prompt, Verdict
from ratchet.verify.limits import Overtime, within
from ratchet.verify.protocol import Rule, Verifier, pace_of
from ratchet.verify.rules import VERIFIERS

GIVE_UP = 8
"""So many time limits of one verifier in one call, and the rest of the call's groups are unscored at once."""
CRASHED, TIMED_OUT, NOT_GENERATED = "crash", "timeout", "not_generated"
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
_LONGEST = 500
_NOT_THERE = (VerifierUnavailable, ModelError, SamplingError)
"""Not one answer's fault: the same would meet every other, so the stage stops and can be run again."""


def apply(
    groups: Sequence[Group],
    names: Sequence[str] | None,
    timeout_seconds: float,
    verifiers: Mapping[str, Verifier] = VERIFIERS,
) -> list[Group]:
    """The groups with verdicts added. `names` None: what each prompt names; OWN among them stands for that.

    Raises VerifierError for a name that is not known, VerifierUnavailable, ModelError or SamplingError where a verifier
    cannot work at all; all else that goes wrong is a verdict without a score.
    """
    added = verdicts_of(groups, names, timeout_seconds, verifiers)
    return [_with_verdicts(group, lists) for group, lists in zip(groups, added, strict=True)]


def verdicts_of(
    groups: Sequence[Group],
    names: Sequence[str] | None,
    timeout_seconds: float,
    verifiers: Mapping[str, Verifier] = VERIFIERS,
) -> list[list[tuple[Verdict, ...]]]:
    """New verdicts for each completion of each group, in the order of the names."""
    asked = [wanted(group.prompt, names) for group in groups]
    found: dict[str, dict[int, list[Verdict]]] = {}
    for name in dict.fromkeys(name for one in asked for name in one):
        places = [i for i, one in enumerate(asked) if name in one]
        runner = _Runner(known(name, verifiers), timeout_seconds)
        found[name] = dict(zip(places, runner.run([groups[i] for i in places]), strict=True))
    return [
        list(zip(*(found[name][i] for name in one), strict=True)) if one else [() for _ in groups[i].completions]
        for i, one in enumerate(asked)
    ]


def wanted(prompt: Prompt, names: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the verifiers that look at answers to the prompt, each once; `names` as in `apply`."""
    own = prompt.verifiers
    names = (OWN,) if names is None else names
    return tuple(dict.fromkeys(one for name in names for one in (own if name == OWN else (name,))))


def known(name: str, verifiers: Mapping[str, Verifier] = VERIFIERS) -> Verifier:
    """The verifier of that name; raises VerifierError that lists those there are."""
    found = verifiers.get(name)
    if found is None:
        raise VerifierError(
            f"no verifier {name!r}; known: {', '.join(sorted(verifiers))}. Mend verify.verifiers or the prompts' verifiers."
        )
    return found


def _with_verdicts(group: Group, lists: Sequence[tuple[Verdict, ...]]) -> Group:
    completions: list[Completion] = [
        c.model_copy(update={"verdicts": c.verdicts + new}) if new else c
        for c, new in zip(group.completions, lists, strict=True)
    ]
    return group.model_copy(update={"completions": tuple(completions)})


@dataclass
class _Runner:
    """One verifier in one call. A batch that breaks is run again group by group, and for rules answer by answer."""

    verifier: Verifier
    seconds: float
    timeouts: int = field(default=0)

    def run(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        verdicts = []
        batch = pace_of(self.verifier).batch
        for start in range(0, len(groups), batch):
            verdicts += self._try(groups[start : start + batch])
        return [self._mark_errors(group, one) for group, one in zip(groups, verdicts, strict=True)]

    def _try(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        if self.timeouts >= GIVE_UP:
            return self._unscored(groups, TIMED_OUT, f"given up after {GIVE_UP} time limits of {self.seconds:g} s")
        try:
            if pace_of(self.verifier).limited:
                return within(self.seconds, lambda: self._checked(groups))
            return self._checked(groups)
        except _NOT_THERE:
            raise
        except Overtime as late:
            self.timeouts += 1
            reason, error = TIMED_OUT, str(late)
        except Exception as broken:
            reason, error = CRASHED, _ADDRESS.sub("0x..", f"{type(broken).__name__}: {broken}")[:_LONGEST]
        smaller = self._parts(groups)
        if len(smaller) < 2:
            return self._unscored(groups, reason, error)
        tried = [self._try([part])[0] for part in smaller]
        return tried if len(groups) > 1 else [[one for verdicts in tried for one in verdicts]]

    def _parts(self, groups: Sequence[Group]) -> Sequence[Group]:
        if len(groups) > 1 or not isinstance(self.verifier, Rule):
            return groups
        (group,) = groups
        return [group.model_copy(update={"completions": (c,)}) for c in group.completions]

    def _checked(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        verdicts = self.verifier.verify(groups)
        shape, wanted = [len(one) for one in verdicts], [len(g.completions) for g in groups]
        if shape != wanted:
            raise VerifierError(
                f"verifier {self.verifier.name} gave {sum(shape)} verdicts for {sum(wanted)} completions; it must give one each"
            )
        return verdicts

    def _unscored(self, groups: Sequence[Group], reason: str, error: str) -> list[list[Verdict]]:
        return [[self._verdict(reason, error)] * len(group.completions) for group in groups]

    def _mark_errors(self, group: Group, verdicts: list[Verdict]) -> list[Verdict]:
        """A completion that the engine failed to make is nobody's wrong answer."""
        if all(c.finish_reason != "error" for c in group.completions):
            return verdicts
        failed = self._verdict(NOT_GENERATED, "the engine failed to make this completion")
        return [failed if c.finish_reason == "error" else v for c, v in zip(group.completions, verdicts, strict=True)]

    def _verdict(self, reason: str, error: str) -> Verdict:
        return Verdict(verifier=self.verifier.name, version=self.verifier.version, reason=reason, error=error)
