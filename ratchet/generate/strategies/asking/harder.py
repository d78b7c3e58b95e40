"""A harder question with the same answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ratchet.generate.strategies.asking.checks import answerable_if_asked, needing_pictures, right_shares, voted
from ratchet.generate.strategies.asking.drafts import Draft, stepped
from ratchet.generate.strategies.asking.steps import Asking, answered, asked, novel, solved, started
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies.questions import HarderConfig
from ratchet.records import Group, Prompt

TINY = 1e-9
"""Shares are compared with room for rounding."""


def harder(prompts: Sequence[Prompt], config: HarderConfig, tools: Tools) -> list[Group]:
    """Rewritten questions to which fewer answers are right than to the old one, but some (SynthRL, arXiv 2506.02096).

    The reference and the verifiers are the old prompt's, so a question whose answer changed is mostly answered wrongly and
    refused as too hard: as far as the solver is right. On the tiny world the oracle bore out fewer than half of the labels
    that were kept (recipe synthrl, 540 prompts: 97 kept, 12 of them unanswerable). Prompts whose own share of right answers
    leaves no room for `fall` above `lowest` are not rewritten. Notes: pass_rate_before and pass_rate_after; difficulty is
    what is wrong of the new answers.
    """
    drafts = _with_room(prompts, config, tools)
    asking = Asking(
        config.ask, lambda d: {"question": d.parent.question, "answer": d.parent.reference or ""}, _inherited
    )
    drafts = stepped(drafts, asked, asking, config, tools)
    drafts = stepped(drafts, novel, prompts, config.novelty)
    drafts = stepped(drafts, answerable_if_asked, config, tools)
    drafts = stepped(drafts, answered, config, tools)
    if config.checks.consistent is not None:
        drafts = stepped(drafts, _consistent, config, tools)
    drafts = stepped(drafts, _harder, config, tools)
    return [draft.group() for draft in stepped(drafts, needing_pictures, config, tools)]


def _inherited(draft: Draft) -> dict[str, Any]:
    parent = draft.parent
    return {"reference": parent.reference, "verifiers": parent.verifiers, "skill": parent.skill}


def _consistent(drafts: Sequence[Draft], config: HarderConfig, tools: Tools) -> list[Draft]:
    """The vote is for its agreement alone: the reference is known."""
    return [replace(draft, vote=None) for draft in voted(drafts, config, tools)]


def _with_room(prompts: Sequence[Prompt], config: HarderConfig, tools: Tools) -> list[Draft]:
    """Drafts for the prompts that can become harder; one refused draft for each of the others."""
    whole = [prompt for prompt in prompts if prompt.reference and prompt.verifiers]
    answers = solved(whole, config, tools)
    shares = right_shares(whole, answers, tools)
    by_id = {p.id: (given, share) for p, given, share in zip(whole, answers, shares, strict=True)}
    drafts: list[Draft] = []
    for prompt in prompts:
        if prompt.id not in by_id:
            drafts.append(Draft(prompt, 0).refused("no_reference" if not prompt.reference else "no_verifier"))
            continue
        given, share = by_id[prompt.id]
        before = Draft(prompt, 0, prompt, given)
        if all(one.finish_reason == "error" for one in given):
            drafts.append(replace(before, broken=True))
        elif share is None:
            drafts.append(before.refused("unscored"))
        elif share - config.fall < config.lowest - TINY:
            drafts.append(before.noted(pass_rate_before=share).refused("hard_already"))
        else:
            drafts += [draft.noted(pass_rate_before=share) for draft in started([prompt], config.questions)]
    return drafts


def _harder(drafts: Sequence[Draft], config: HarderConfig, tools: Tools) -> list[Draft]:
    shares = right_shares([d.new for d in drafts], [d.completions for d in drafts], tools)
    return [_judged(draft, share, config) for draft, share in zip(drafts, shares, strict=True)]


def _judged(draft: Draft, after: float | None, config: HarderConfig) -> Draft:
    if after is None:
        return draft.refused("unscored")
    before = next(note.score for note in draft.notes if note.name == "pass_rate_before")
    noted = draft.noted(pass_rate_after=after)
    noted = replace(noted, prompt=draft.new.model_copy(update={"difficulty": 1 - after}))
    if after > before - config.fall + TINY:
        return noted.refused("not_harder")
    return noted.refused("too_hard") if after < config.lowest - TINY else noted
