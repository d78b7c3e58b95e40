"""The labelled slice: validation prompts with answers of models, what says which are right, and probes beside them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from ratchet.errors import VerifierError
from ratchet.generate.choosing import place_of
from ratchet.generate.engine import Engine, Request, completions
from ratchet.generate.negatives.lexicon import Lexicon
from ratchet.generate.sampling import SamplingParams, derived_seed
from ratchet.records import Completion, Group, Negative, Prompt
from ratchet.verify.audit.probes import Probe, probes
from ratchet.verify.audit.result import Truth
from ratchet.verify.judging import Rights
from ratchet.verify.protocol import Verifier


@dataclass(frozen=True)
class Case:
    """One prompt: answers of models, whether they are right (None: nobody knows), and probes."""

    prompt: Prompt
    answers: tuple[Completion, ...]
    rights: tuple[bool | None, ...]
    probes: tuple[Probe, ...]

    def group(self) -> Group:
        """The answers as a round would have them."""
        return Group(prompt=self.prompt, completions=self.answers)

    def probed(self, chosen: Sequence[int], *, among_answers: bool) -> Group:
        """The chosen probes, beside the answers where a verifier looks at more than one. They are marked as made up, so
        that they do not vote."""
        before = self.answers if among_answers else ()
        made = [_completion(len(before) + n, self.probes[place]) for n, place in enumerate(chosen)]
        return Group(prompt=self.prompt, completions=(*before, *made))


@dataclass(frozen=True)
class Slice:
    """What verifiers are measured on. `draw` seeds what is drawn of it."""

    cases: tuple[Case, ...]
    truth: Truth
    k: int
    temperature: float
    draw: int
    split: str = "validation"

    @property
    def labelled(self) -> int:
        return sum(right is not None for case in self.cases for right in case.rights)

    @property
    def base_rate(self) -> float:
        """Share of right answers; one half where there are none."""
        right = sum(right is True for case in self.cases for right in case.rights)
        return right / self.labelled if self.labelled else 0.5

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(sorted({answer.model for case in self.cases for answer in case.answers}))


def chosen(rows: Iterable[Prompt], most: int, salt: str, name: str) -> list[Prompt]:
    """At most `most` prompts that name verifiers and have a reference, or an environment that knows what is right: those
    with the smallest salted hash.

    Raises VerifierError where there are none; `name` is the set they are looked for in.
    """
    fit = (prompt for prompt in rows if prompt.verifiers and (prompt.reference or prompt.environment))
    found = heapq.nsmallest(most, fit, key=lambda prompt: place_of(salt, prompt.id))
    if not found:
        raise VerifierError(
            f"no validation prompt of {name} has both a reference and verifiers, so nothing says what is right there. Import prompts "
            "with both, give labels (`ratchet verify audit --labels FILE`), or remove verify.audit."
        )
    return found


def sampled(
    prompts: Sequence[Prompt], engines: Sequence[Engine], params: SamplingParams
) -> list[tuple[Completion, ...]]:
    """`params.k` answers of each model to each prompt; an answer that failed is left out, for it is nobody's."""
    requests = [Request.of(prompt) for prompt in prompts]
    found: list[tuple[Completion, ...]] = [() for _ in prompts]
    for engine in engines:
        for place, given in enumerate(engine.answer(requests, params)):
            more = completions(given, params, engine.label, first=len(found[place]))
            found[place] += more
    return [_renumbered(c for c in one if c.finish_reason != "error") for one in found]


def cases_of(
    prompts: Sequence[Prompt],
    answers: Sequence[tuple[Completion, ...]],
    judged: Rights,
    lexicon: Lexicon,
    draw: int,
    verifiers: Mapping[str, Verifier],
) -> tuple[Case, ...]:
    """The cases: answers judged by `judged`, and probes made of each reference."""
    groups = [Group(prompt=prompt, completions=given) for prompt, given in zip(prompts, answers, strict=True)]
    alike = _by_skill(prompts)
    return tuple(
        Case(
            group.prompt,
            group.completions,
            tuple(right),
            probes(group.prompt, alike[group.prompt.skill], verifiers, lexicon, draw),
        )
        for group, right in zip(groups, judged(groups), strict=True)
    )


def thinned(case: Case, draw: int) -> list[int]:
    """Places of few probes, for verifiers whose every verdict costs: the reference, one form, and one corruption, or that
    which is said in a sentence too, with the sentence."""
    places: dict[str, list[int]] = {}
    for place, probe in enumerate(case.probes):
        places.setdefault(probe.sort if probe.of is None else "sentence", []).append(place)
    few = {sort: found[derived_seed(draw, sort, case.prompt.id) % len(found)] for sort, found in places.items()}
    sentence = few.pop("sentence", None)
    if sentence is not None and derived_seed(draw, case.prompt.id) % 2:
        few["corrupted"] = case.probes[sentence].of or 0
        few["sentence"] = sentence
    return sorted(few.values())


def _by_skill(prompts: Sequence[Prompt]) -> dict[str, list[Prompt]]:
    ordered = sorted(prompts, key=lambda prompt: (prompt.skill, prompt.id))
    return {skill: list(one) for skill, one in groupby(ordered, key=lambda prompt: prompt.skill)}


def _renumbered(found: Iterable[Completion]) -> tuple[Completion, ...]:
    return tuple(one.model_copy(update={"index": index}) for index, one in enumerate(found))


def _completion(index: int, probe: Probe) -> Completion:
    params = SamplingParams(strategy="audit", k=1, temperature=0.0)
    negative = Negative(kind=f"audit_{probe.kind}", seed=0, parent="reference")
    return Completion(
        index=index,
        text=probe.text,
        finish_reason="stop",
        sampling=params.record(),
        n_tokens=0,
        model="reference",
        negative=negative,
    )
