"""Ask from the picture alone, or like an example; ask, check and rewrite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ratchet.generate.strategies.asking.checks import (
    answerable,
    answerable_if_asked,
    answers_checked,
    check_votes_can_differ,
    labelled_by_votes,
    needing_pictures,
)
from ratchet.generate.strategies.asking.drafts import Draft, stepped
from ratchet.generate.strategies.asking.steps import Asking, answered, asked, novel, started
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies.questions import AskCheckRewriteConfig, AskConfig
from ratchet.records import Group, Prompt


def ask(prompts: Sequence[Prompt], config: AskConfig, tools: Tools) -> list[Group]:
    """Questions from the picture alone, or with an example in view, and k answers to each (MM-UPT, arXiv 2505.22453).

    There the direct form was as good to train on as human questions (52.32 against 51.23).
    """

    def example(draft: Draft) -> dict[str, str]:
        if config.form == "direct":
            return {}
        shown = config.examples or (draft.parent.question,)
        return {"example": shown[tools.drawn("example", draft.id) % len(shown)]}

    _check(config, tools)
    drafts = asked(started(prompts, config.questions), Asking(config.templates, example), config, tools)
    drafts = stepped(drafts, novel, prompts, config.novelty)
    drafts = stepped(drafts, answerable_if_asked, config, tools)
    return [draft.group() for draft in _with_answers(drafts, config, tools)]


def ask_check_rewrite(prompts: Sequence[Prompt], config: AskCheckRewriteConfig, tools: Tools) -> list[Group]:
    """A question, the model's own word on whether the picture answers it, and another one where it does not, at most
    `rewrites` times (SENA, arXiv 2412.15650). What still cannot be answered is refused; the note `rewrites` counts."""
    _check(config, tools)
    drafts = asked(started(prompts, config.questions), Asking(config.ask), config, tools)
    settled: dict[str, Draft] = {}
    waiting = [draft.noted(rewrites=0) for draft in drafts]
    for attempt in range(1, config.rewrites + 2):
        checked = stepped(waiting, answerable, config.check, config, tools, f"/{attempt}")
        settled |= {draft.id: draft for draft in checked}
        failing = [draft for draft in checked if draft.reason == "unanswerable"]
        if attempt <= config.rewrites:
            waiting = _rewritten(failing, attempt, config, tools)
            settled |= {draft.id: draft for draft in waiting}
    drafts = stepped([settled[draft.id] for draft in drafts], novel, prompts, config.novelty)
    return [draft.group() for draft in _with_answers(drafts, config, tools)]


def _rewritten(drafts: Sequence[Draft], attempt: int, config: AskCheckRewriteConfig, tools: Tools) -> list[Draft]:
    again = [replace(draft, reason=None, notes=()).noted(rewrites=attempt) for draft in drafts]
    asking = Asking((config.rewrite,), lambda draft: {"question": draft.new.question}, step=f"/rewrite/{attempt}")
    return asked(again, asking, config, tools)


def _check(config: AskConfig | AskCheckRewriteConfig, tools: Tools) -> None:
    if _compares(config):
        check_votes_can_differ(config, tools)


def _compares(config: AskConfig | AskCheckRewriteConfig) -> bool:
    checks = config.checks
    return config.label == "votes" or checks.consistent is not None or checks.blind is not None


def _with_answers(drafts: Sequence[Draft], config: AskConfig | AskCheckRewriteConfig, tools: Tools) -> list[Draft]:
    """Answers; where the recipe compares them also the vote, the check on the picture, and the label."""
    if not _compares(config):
        return stepped(drafts, answered, config, tools)
    drafts = stepped(answers_checked(drafts, config, tools), needing_pictures, config, tools)
    return stepped(drafts, labelled_by_votes, config.agreement) if config.label == "votes" else drafts
