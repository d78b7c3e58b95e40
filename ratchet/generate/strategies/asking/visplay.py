"""Questioner and solver on one base: how far the solver agrees with itself says how hard a question is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from ratchet.generate.strategies.asking.checks import (
    answerable_if_asked,
    answers_checked,
    check_votes_can_differ,
    labelled_by_votes,
    needing_pictures,
)
from ratchet.generate.strategies.asking.drafts import Draft, stepped
from ratchet.generate.strategies.asking.novelty import repetition
from ratchet.generate.strategies.asking.steps import Asking, asked, novel, started
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies.questions import NoveltyConfig, VisPlayConfig
from ratchet.records import Completion, Group, Part, Prompt
from ratchet.verify.voting.votes import Vote


def visplay(prompts: Sequence[Prompt], config: VisPlayConfig, tools: Tools) -> list[Group]:
    """Questions whose majority answer has a share in `band` (VisPlay, arXiv 2511.15661; EvoLMM, arXiv 2511.16672).

    Noted beside the answers, never optimised here: `agreement` c, the majority's share of the answers; `reward` of the
    question; `repetition`, the share of the picture's questions that are alike, which VisPlay subtracts from it.

    visplay: reward = 1 - |2c - 1|, highest where half of the answers agree.
    evolmm: reward = exp(-(H - centre)^2 / (2 width^2)) with the entropy H of the answers in nats, and for each answer
    `soft_majority` = (its answer's share) ** softness. The paper's length penalty counts words before an answer tag, of
    which there are none here.
    """
    check_votes_can_differ(config, tools)
    drafts = asked(started(prompts, config.questions), Asking(config.ask), config, tools)
    drafts = stepped(drafts, _repetition_noted, config.novelty)
    drafts = stepped(drafts, novel, prompts, config.novelty)
    drafts = stepped(drafts, answerable_if_asked, config, tools)
    drafts = answers_checked(drafts, config, tools)
    drafts = stepped([_rewarded(draft, config) for draft in drafts], _in_band, config.band)
    drafts = stepped(drafts, needing_pictures, config, tools)
    if config.label == "votes":
        drafts = stepped(drafts, labelled_by_votes, 0.0)
    return [draft.group() for draft in drafts]


def difficulty_reward(share: float) -> float:
    """VisPlay's: 1 - |2c - 1| of the majority's share c."""
    return 1 - abs(2 * share - 1)


def entropy_reward(entropy: float, centre: float, width: float) -> float:
    """EvoLMM's for the proposer: a bell over the entropy of the answers, in nats."""
    return math.exp(-((entropy - centre) ** 2) / (2 * width**2))


def soft_majority(share: float, softness: float) -> float:
    """EvoLMM's for the solver: the share of an answer among all, to a power below 1."""
    return math.pow(share, softness)


def _repetition_noted(drafts: Sequence[Draft], novelty: NoveltyConfig) -> list[Draft]:
    """Among the questions of one picture, before any is refused for being alike."""
    made = []
    for _, some in groupby(drafts, key=lambda draft: draft.parent.id):
        alike = list(some)
        shares = repetition([draft.new.question for draft in alike], novelty)
        made += [draft.noted(repetition=share) for draft, share in zip(alike, shares, strict=True)]
    return made


def _rewarded(draft: Draft, config: VisPlayConfig) -> Draft:
    vote = draft.vote
    if vote is None:
        return draft
    if config.reward == "visplay":
        return draft.noted(reward=difficulty_reward(vote.share))
    soft = _softly(draft.completions, vote, config.softness)
    return replace(draft, completions=soft).noted(reward=entropy_reward(vote.entropy, config.centre, config.width))


def _softly(completions: Sequence[Completion], vote: Vote, softness: float) -> tuple[Completion, ...]:
    return tuple(
        one.model_copy(update={"notes": (*one.notes, Part(name="soft_majority", score=soft_majority(share, softness)))})
        for one, share in zip(completions, vote.shares, strict=True)
    )


def _in_band(drafts: Sequence[Draft], band: tuple[float, float]) -> list[Draft]:
    return [_placed(draft, *band) for draft in drafts]


def _placed(draft: Draft, low: float, high: float) -> Draft:
    share = draft.vote.share if draft.vote is not None else 0.0
    return draft.refused("too_hard") if share < low else draft.refused("too_easy") if share > high else draft
