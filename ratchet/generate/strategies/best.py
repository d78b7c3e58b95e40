"""Best of n: many answers are sampled and few kept, by likelihood or by votes."""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.errors import SamplingError
from ratchet.generate.engine import Answer, Request, completion
from ratchet.generate.ranking import Ranked, ranked
from ratchet.generate.sampling import SamplingParams
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies.random import BestOfNConfig
from ratchet.records import Completion, Group, Part, Prompt


def best_of_n(prompts: Sequence[Prompt], config: BestOfNConfig, tools: Tools) -> list[Group]:
    """The best `k` of the different answers among `n` samples, best first; fewer where fewer are different.

    Notes: rank (from 0), n, draw (which of the n it was: all of them can be drawn again), votes, log_likelihood.
    """
    keep = tools.params(config).k
    if keep > config.n:
        raise SamplingError(
            f"strategy best_of_n keeps k {keep} of n {config.n}; set its n to {keep} or more, or its k lower."
        )
    params = tools.params(config, k=config.n)
    given = tools.ask([Request.of(prompt) for prompt in prompts], params)
    return [
        Group(prompt=prompt, completions=tuple(_kept(answers, keep, config, params, tools.engine.label)))
        for prompt, answers in zip(prompts, given, strict=True)
    ]


def _kept(
    answers: Sequence[Answer], keep: int, config: BestOfNConfig, params: SamplingParams, label: str
) -> list[Completion]:
    best = ranked(answers, config.by)[:keep]
    if not best:
        # All failed, and for one reason: a request fails as a whole.
        return [completion(0, answers[0], params, label)]
    return [
        completion(rank, answers[one.place], params, label, notes=_notes(rank, one, config.n))
        for rank, one in enumerate(best)
    ]


def _notes(rank: int, one: Ranked, n: int) -> tuple[Part, ...]:
    said: dict[str, float] = {"rank": rank, "n": n, "draw": one.place, "votes": one.votes}
    if one.likelihood is not None:
        said["log_likelihood"] = one.likelihood
    return tuple(Part(name=name, score=value) for name, value in said.items())
