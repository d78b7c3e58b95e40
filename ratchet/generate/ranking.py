"""Which of a prompt's answers are best, by what the model itself says: its likelihood, or its votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ratchet.errors import SamplingError
from ratchet.records import FinishReason
from ratchet.verify.text import normalise

By = Literal["likelihood", "votes"]


class Said(Protocol):
    """What ranking needs of an answer; engine answers and completions are such."""

    @property
    def text(self) -> str: ...
    @property
    def finish_reason(self) -> FinishReason: ...
    @property
    def n_tokens(self) -> int: ...
    @property
    def logprob_sum(self) -> float | None: ...


@dataclass(frozen=True)
class Ranked:
    """One of the different answers to a prompt. `place` is where its likeliest draw stands among all draws.

    `votes` is how many draws say the same; `likelihood` is that draw's log-probability a token, in nats.
    """

    place: int
    votes: int
    likelihood: float | None


def ranked(answers: Sequence[Said], by: By) -> list[Ranked]:
    """The different answers (after normalising), best first; those that failed are left out.

    Ties of votes go to the likelier answer, all other ties to the earlier draw. Raises SamplingError where the
    likelihood is asked for and the engine gives none.
    """
    alike: dict[str, list[int]] = {}
    for place, answer in enumerate(answers):
        if answer.finish_reason != "error":
            alike.setdefault(normalise(answer.text), []).append(place)
    found = [_of(places, answers, by) for places in alike.values()]
    if by == "votes":
        return sorted(found, key=lambda r: (-r.votes, -_value(r), r.place))
    return sorted(found, key=lambda r: (-_value(r), r.place))


def likelihood(answer: Said) -> float:
    """Mean log-probability of the answer's tokens, in nats. Raises SamplingError where the engine gives none."""
    found = _likelihood(answer)
    if found is None:
        raise SamplingError(
            "answers are ranked by likelihood, but the engine gives no log-probabilities; set generate.engine.logprobs "
            "to true, or rank by votes."
        )
    return found


def _likelihood(answer: Said) -> float | None:
    return None if answer.logprob_sum is None else answer.logprob_sum / max(1, answer.n_tokens)


def _of(places: Sequence[int], answers: Sequence[Said], by: By) -> Ranked:
    if by == "likelihood":
        values = {place: likelihood(answers[place]) for place in places}
    else:
        values = {place: v for place in places if (v := _likelihood(answers[place])) is not None}
    if not values:
        return Ranked(places[0], len(places), None)
    best = max(values, key=lambda place: (values[place], -place))
    return Ranked(best, len(places), values[best])


def _value(one: Ranked) -> float:
    return 0.0 if one.likelihood is None else one.likelihood
