"""Negatives beside the completions that a strategy made: drafted, answered in one call a kind, and added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ratchet.generate.engine import Answer, completion
from ratchet.generate.negatives.drafts import Base, Draft, base_of
from ratchet.generate.negatives.makers import MAKERS, Case
from ratchet.generate.sampling import SamplingParams, derived_share
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.negatives import NegativeBase, NegativeConfig
from ratchet.records import Completion, Group


def add_negatives(groups: Sequence[Group], configs: Sequence[NegativeConfig], tools: Tools) -> list[Group]:
    """The groups with negatives of every kind added. Groups that were refused, or got no answer, are left as they are."""
    found = list(groups)
    if not configs:
        return found
    rights = tools.rights(found)
    bases = [base_of(group, ok) for group, ok in zip(found, rights, strict=True)]
    for number, config in enumerate(configs):
        drafts = _drafts(found, bases, config, number, tools)
        made = _answered(drafts, config, tools)
        for place, completions in made.items():
            found[place] = _with(found[place], completions)
    return found


def wanted(group: Group, configs: Sequence[NegativeBase], seed: int) -> int:
    """How many negatives a group should have got; fewer came where there was nothing to make worse."""
    if not _may_have(group):
        return 0
    return sum(one.count for number, one in enumerate(configs) if _drawn(group.prompt.id, one, number, seed))


def _drawn(prompt_id: str, config: NegativeBase, number: int, seed: int) -> bool:
    """Whether a prompt's draw says that it gets the kind."""
    return config.share == 1 or derived_share(seed, "negative", number, prompt_id) < config.share


def _may_have(group: Group) -> bool:
    answered = any(c.finish_reason != "error" and c.negative is None for c in group.completions)
    return group.reason is None and answered


def _drafts(
    groups: Sequence[Group], bases: Sequence[Base | None], config: NegativeConfig, number: int, tools: Tools
) -> list[tuple[int, Draft]]:
    others = {ref.sha256: ref for group in groups for ref in group.prompt.images}
    make = MAKERS[type(config)]
    drafts = []
    for place, (group, base) in enumerate(zip(groups, bases, strict=True)):
        if not _may_have(group) or not _drawn(group.prompt.id, config, number, tools.seed):
            continue
        for one in range(config.count):
            id_ = f"{group.prompt.id}/negative/{number}/{one}"
            case = Case(group, base, tools.drawn(id_), id_, tools.bank, others)
            draft = make(config, case)
            if draft is not None:
                drafts.append((place, draft))
    return drafts


def _answered(drafts: Sequence[tuple[int, Draft]], config: NegativeBase, tools: Tools) -> dict[int, list[Completion]]:
    """Completions by place of their group, numbered from 0; all requests go to the engine in one call."""
    params = tools.plain(config.temperature)
    requests = [draft.request for _, draft in drafts if draft.request is not None]
    answers = iter(tools.ask(requests, params))
    made: dict[int, list[Completion]] = {}
    for place, draft in drafts:
        one = _edited(draft, params) if draft.request is None else _said(draft, next(answers)[0], params, tools)
        made.setdefault(place, []).append(one)
    return made


def _said(draft: Draft, answer: Answer, params: SamplingParams, tools: Tools) -> Completion:
    return completion(0, answer, params, tools.engine.label, draft.request, negative=draft.negative)


def _edited(draft: Draft, params: SamplingParams) -> Completion:
    """A text that no model said just now: a changed right answer, or a right one beside another input.

    Only the latter has tokens that were sampled once.
    """
    assert draft.base is not None
    answer = Answer(draft.text, draft.base.n_tokens if draft.shown is not None else 0, "stop")
    return completion(
        0, answer, params, draft.base.model, draft.shown, negative=draft.negative, parent=draft.base.index
    )


def _with(group: Group, more: Iterable[Completion]) -> Group:
    first = len(group.completions)
    numbered: list[Any] = [c.model_copy(update={"index": first + n}) for n, c in enumerate(more)]
    return group.model_copy(update={"completions": (*group.completions, *numbered)})
