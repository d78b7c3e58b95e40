"""Whether a question can be answered, whether its answers agree, and whether it needs its picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ratchet.errors import SamplingError
from ratchet.generate.engine import Request, completion
from ratchet.generate.strategies.asking.drafts import Draft, stepped
from ratchet.generate.strategies.asking.steps import answered, solved, turns
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies.questions import AskingBase
from ratchet.recipe.strategies.templates import filled
from ratchet.records import Completion, Group, Prompt
from ratchet.verify import yes_no_answer
from ratchet.verify.voting.votes import votes


def answerable(drafts: Sequence[Draft], template: str, config: AskingBase, tools: Tools, step: str = "") -> list[Draft]:
    """Asks the model, greedily, whether each question can be answered; all but a clear yes are refused."""
    params = tools.params(config, k=1, temperature=0.0, top_p=1.0, top_k=0)
    texts = [filled(template, {"question": draft.new.question}) for draft in drafts]
    requests = [
        Request(f"{draft.id}/check{step}", turns(text), draft.parent.images, skill="check")
        for draft, text in zip(drafts, texts, strict=True)
    ]
    answers = tools.ask(requests, params)
    said = [
        completion(0, one, params, tools.engine.label, request)
        for request, (one,) in zip(requests, answers, strict=True)
    ]
    return [_checked(draft, one) for draft, one in zip(drafts, said, strict=True)]


def _checked(draft: Draft, said: Completion) -> Draft:
    if said.finish_reason == "error":
        return draft.failed(said)
    return draft if yes_no_answer(said.text) else draft.refused("unanswerable")


def answerable_if_asked(drafts: Sequence[Draft], config: AskingBase, tools: Tools) -> list[Draft]:
    """The same where the recipe's checks name a template."""
    template = config.checks.answerable
    return list(drafts) if template is None else answerable(drafts, template, config, tools)


def check_votes_can_differ(config: AskingBase, tools: Tools) -> None:
    """Raise SamplingError where one answer would be all that agrees."""
    k = tools.params(config).k
    if k < 2:
        raise SamplingError(
            f"strategy {config.name} compares answers to a question, and k is {k}; set its k or generate.k to 2 or more."
        )


def voted(drafts: Sequence[Draft], config: AskingBase, tools: Tools) -> list[Draft]:
    """Each draft with the vote on its answers. Refused are those that say nothing, or agree less than the checks ask."""
    found = votes([(draft.new, draft.completions) for draft in drafts], tools.rights)
    least = config.checks.consistent or 0.0
    made = []
    for draft, vote in zip(drafts, found, strict=True):
        if vote is None:
            made.append(draft.refused("no_answer_given"))
        else:
            noted = replace(draft, vote=vote).noted(agreement=vote.share)
            made.append(noted.refused("inconsistent") if vote.share < least else noted)
    return made


def needing_pictures(drafts: Sequence[Draft], config: AskingBase, tools: Tools) -> list[Draft]:
    """Refuses questions whose answers without the picture agree with the reference, or else with what most say with it."""
    most = config.checks.blind
    if most is None:
        return list(drafts)
    labels = [draft.vote.prompt if draft.vote is not None else draft.new for draft in drafts]
    blind = solved(labels, config, tools, pictures=False)
    made = []
    for draft, given, share in zip(drafts, blind, right_shares(labels, blind, tools), strict=True):
        if all(one.finish_reason == "error" for one in given):
            made.append(draft.failed(given[0]))
        else:
            noted = draft.noted(blind_agreement=share or 0.0)
            made.append(noted.refused("answerable_blind") if share is not None and share >= most else noted)
    return made


def right_shares(
    prompts: Sequence[Prompt], answers: Sequence[tuple[Completion, ...]], tools: Tools
) -> list[float | None]:
    """Share of each prompt's answers that its own verifiers pass, of those that they decide; None: they decide none."""
    rights = tools.rights([Group(prompt=p, completions=given) for p, given in zip(prompts, answers, strict=True)])
    decided = [[right for right in one if right is not None] for one in rights]
    return [sum(one) / len(one) if one else None for one in decided]


def labelled_by_votes(drafts: Sequence[Draft], floor: float) -> list[Draft]:
    """The majority's answer as the reference; refused where fewer than `floor` agree, or two answers have as many."""
    return [_labelled(draft, floor) for draft in drafts]


def _labelled(draft: Draft, floor: float) -> Draft:
    vote = draft.vote
    if vote is None or vote.tied or vote.share < floor:
        return draft.refused("no_majority")
    return replace(draft, prompt=vote.prompt.model_copy(update={"difficulty": 1 - vote.share}))


def answers_checked(drafts: Sequence[Draft], config: AskingBase, tools: Tools) -> list[Draft]:
    """k answers to each question, and the vote on them."""
    return stepped(stepped(drafts, answered, config, tools), voted, config, tools)
