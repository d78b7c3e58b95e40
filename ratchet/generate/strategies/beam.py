"""A beam tree of sentences with diversity (after CSR, arXiv 2405.14622: 5 beams, 5 groups, diversity penalty 3).

At each depth every beam is gone on with `groups` times up to the end of a sentence (`beams` x `groups` times at the
first), and the best `beams` of all candidates are kept, ended ones among them; one whose continuation failed only where
all did. They are chosen one after the other:

    value(a) = log p(a) / tokens(a) - diversity * max over the chosen b of overlap(a, b)
    overlap(a, b) = |words of both| / |words of either|, counted as often as they are there (Jaccard of bags)

CSR's penalty is of group beam search and acts on tokens; sampling whole sentences needs nothing that only one engine has.
CSR's image-text similarity is no part of this: the verifier `small_scorer` has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ratchet.errors import SamplingError
from ratchet.generate.engine import Answer, Request, completion, joined
from ratchet.generate.ranking import likelihood
from ratchet.generate.sampling import SamplingParams
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies.random import BeamTreeConfig
from ratchet.records import Completion, FinishReason, Group, Part, Prompt


@dataclass(frozen=True)
class Beam:
    """An answer so far: its text as the model said it, with the blanks behind its last sentence, and tokens and
    log-probability of all its sentences. `finish` None: it may go on. One that failed has an `error`, and no text.
    """

    text: str = ""
    n_tokens: int = 0
    logprob_sum: float = 0.0
    depth: int = 0
    finish: FinishReason | None = None
    error: str | None = None

    @property
    def likelihood(self) -> float:
        return self.logprob_sum / max(1, self.n_tokens)

    @cached_property
    def words(self) -> Counter[str]:
        return Counter(self.text.lower().split())

    def grown(self, answer: Answer, ends: Sequence[str]) -> Beam:
        """With one more sentence. An answer that stops without a sentence's end has come to its own end."""
        if answer.finish_reason == "error":
            return Beam(finish="error", error=answer.error)
        goes_on = answer.finish_reason == "stop" and answer.text.endswith(tuple(one.strip() for one in ends))
        return Beam(
            joined(self.text, answer.text) + answer.trail,
            self.n_tokens + answer.n_tokens,
            self.logprob_sum + likelihood(answer) * max(1, answer.n_tokens),
            self.depth + bool(answer.text),
            None if goes_on else answer.finish_reason,
        )


def beam_tree(prompts: Sequence[Prompt], config: BeamTreeConfig, tools: Tools) -> list[Group]:
    """Up to `beams` different answers to each prompt, best first.

    Tokens and log-probability are sums over the sentences. An answer that `depth` cuts off has finish_reason "length".
    Notes: log_likelihood (a token, nats), diversity (1 - its largest overlap with another answer kept), depth, and where
    continuations failed beside it their number, lost. Where all failed there is one completion, with the first's error.
    """
    params = tools.params(config, k=config.groups, stop=config.ends)
    if params.temperature == 0:
        raise SamplingError("strategy beam_tree samples continuations, but generate.temperature is 0; raise it.")
    trees: list[list[Beam]] = [[Beam()] for _ in prompts]
    lost = [0] * len(prompts)
    for depth in range(config.depth):
        grown = _grown(prompts, trees, depth, config, params, tools)
        lost = [n + sum(beam.finish == "error" for beam in one) for n, one in zip(lost, grown, strict=True)]
        trees = [select(_living(one), config.beams, config.diversity) for one in grown]
    label = tools.engine.label
    return [
        Group(prompt=prompt, completions=_completions(tree, n, params, label))
        for prompt, tree, n in zip(prompts, trees, lost, strict=True)
    ]


def overlap(one: Counter[str], other: Counter[str]) -> float:
    """Jaccard similarity of two bags of words, 0..1; two empty ones are alike."""
    either = (one | other).total()
    return (one & other).total() / either if either else 1.0


def select(candidates: Sequence[Beam], beams: int, diversity: float) -> list[Beam]:
    """The best `beams` candidates in the order of their choice (see the top of this file).

    Of those that say the same and go on the same, the likeliest stands for all. Ties go to the first.
    """
    distinct: dict[tuple[str, FinishReason | None], Beam] = {}
    for one in candidates:
        known = distinct.setdefault((one.text.rstrip(), one.finish), one)
        if one.likelihood > known.likelihood:
            distinct[one.text.rstrip(), one.finish] = one
    left = list(distinct.values())
    nearest = [0.0] * len(left)
    chosen: list[Beam] = []
    while left and len(chosen) < beams:
        best = max(range(len(left)), key=lambda i: (left[i].likelihood - diversity * nearest[i], -i))
        chosen.append(left.pop(best))
        nearest.pop(best)
        nearest = [max(near, overlap(one.words, chosen[-1].words)) for one, near in zip(left, nearest, strict=True)]
    return chosen


def _grown(
    prompts: Sequence[Prompt],
    trees: Sequence[Sequence[Beam]],
    depth: int,
    config: BeamTreeConfig,
    params: SamplingParams,
    tools: Tools,
) -> list[list[Beam]]:
    """Each tree's candidates, one sentence deeper: one call of the engine for all of them."""
    going = [
        (number, place, beam)
        for number, tree in enumerate(trees)
        for place, beam in enumerate(tree)
        if beam.finish is None
    ]
    requests = [
        replace(Request.of(prompts[number]), id=f"{prompts[number].id}/{depth}.{place}", begun=beam.text)
        for number, place, beam in going
    ]
    # The first depth has one beam to go on from, and as many candidates as the others.
    wide = params if depth else params.model_copy(update={"k": config.beams * config.groups})
    candidates = [[beam for beam in tree if beam.finish is not None] for tree in trees]
    for (number, _, beam), answers in zip(going, tools.ask(requests, wide), strict=True):
        candidates[number] += [beam.grown(answer, config.ends) for answer in answers]
    return candidates


def _living(candidates: Sequence[Beam]) -> list[Beam]:
    """The candidates without those that failed; where all did, only the first of them."""
    living = [beam for beam in candidates if beam.finish != "error"]
    return living or list(candidates[:1])


def _completions(tree: Sequence[Beam], lost: int, params: SamplingParams, label: str) -> tuple[Completion, ...]:
    """The whole answers. What was begun is the model's own, so each is an answer to the prompt as it is."""
    return tuple(
        completion(index, _whole(beam), params, label, notes=_notes(beam, [*tree[:index], *tree[index + 1 :]], lost))
        for index, beam in enumerate(tree)
    )


def _whole(beam: Beam) -> Answer:
    if beam.finish == "error":
        return Answer("", 0, "error", error=beam.error)
    return Answer(beam.text.rstrip(), beam.n_tokens, beam.finish or "length", beam.logprob_sum)


def _notes(beam: Beam, others: Sequence[Beam], lost: int) -> tuple[Part, ...]:
    if beam.finish == "error":
        return ()
    nearest = max((overlap(beam.words, other.words) for other in others), default=0.0)
    said = {"log_likelihood": beam.likelihood, "diversity": 1.0 - nearest, "depth": beam.depth}
    if lost:
        said["lost"] = lost
    return tuple(Part(name=name, score=value) for name, value in said.items())
