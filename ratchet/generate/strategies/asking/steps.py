"""What all that ask do: ask for questions, keep the new ones, and have them answered. Each step is one call of the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ratchet.generate.engine import Request, completion
from ratchet.generate.strategies.asking.drafts import Draft
from ratchet.generate.strategies.asking.novelty import Known, most_of, opening
from ratchet.generate.strategies.asking.reading import question_of
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies.questions import AskingBase, NoveltyConfig
from ratchet.recipe.strategies.templates import filled
from ratchet.records import Completion, Message, Prompt

Fields = Callable[[Draft], dict[str, str]]
"""What is put into a template's fields."""


@dataclass(frozen=True)
class Asking:
    """How questions are asked: templates in turns, what fills their fields, and what the new prompts have besides.

    `step` names a draw other than the first.
    """

    templates: Sequence[str]
    fields: Fields = lambda _: {}
    new: Callable[[Draft], dict[str, Any]] = lambda _: {}
    step: str = ""


def started(prompts: Iterable[Prompt], questions: int) -> list[Draft]:
    """A draft for each question that is to be asked."""
    return [Draft(prompt, number) for prompt in prompts for number in range(questions)]


def asked(drafts: Sequence[Draft], asking: Asking, config: AskingBase, tools: Tools) -> list[Draft]:
    """Each draft with a question, or refused where none can be read in what the model says."""
    requests = [_question_request(draft, asking, tools) for draft in drafts]
    role = {name: value for name, value in config.asker.model_dump().items() if value is not None}
    params = tools.params(config, k=1, **role)
    answers = tools.ask(requests, params)
    said = [
        completion(0, one, params, tools.engine.label, request)
        for request, (one,) in zip(requests, answers, strict=True)
    ]
    return [_read(draft, one, asking, config) for draft, one in zip(drafts, said, strict=True)]


def _question_request(draft: Draft, asking: Asking, tools: Tools) -> Request:
    turn = tools.drawn("template", draft.parent.id) + draft.number
    template = asking.templates[turn % len(asking.templates)]
    text = filled(template, asking.fields(draft))
    return Request(draft.id + asking.step, turns(text), draft.parent.images, skill="ask")


def turns(text: str) -> tuple[Message, ...]:
    """A chat of one user turn."""
    return (Message(role="user", content=text),)


def _read(draft: Draft, said: Completion, asking: Asking, config: AskingBase) -> Draft:
    if said.finish_reason == "error":
        return draft.failed(said)
    question = question_of(said.text, config.form_of_question, config.longest)
    if question is None:
        return replace(draft.refused("unreadable_question", said), prompt=None)
    return replace(draft, prompt=prompt_about(draft.parent, question, config, **asking.new(draft)))


def prompt_about(parent: Prompt, question: str, config: AskingBase, **fields: Any) -> Prompt:
    """The new prompt: the question about the parent's pictures, in the parent's split."""
    given = {"skill": config.skill, **fields}
    return Prompt.make(
        messages=turns(question),
        images=parent.images,
        source=f"generated:{config.name}",
        split_key=parent.split_key,
        licence=parent.licence,
        origin=parent.id,
        **given,
    )


def novel(drafts: Sequence[Draft], pool: Sequence[Prompt], config: NoveltyConfig) -> list[Draft]:
    """Refuses what the pool or an earlier draft asks already, and what begins as too many do.

    It sees one file's prompts: duplicates of other files are for the filter, and shards change what is in a file.
    """
    own, met = Known(config), Known(config)
    for prompt in pool:
        own.add(_scope(prompt, config), prompt.question)
    fresh = [_if_new(draft, own, met, config) for draft in drafts]
    left = [draft for draft in fresh if draft.open]
    sizes = Counter(opening(draft.new.question) for draft in left)
    most = len(left) if config.most_alike is None else most_of(config.most_alike, len(left))
    taken: Counter[str] = Counter()
    return [_if_rare(draft, sizes, taken, most) if draft.open else draft for draft in fresh]


def _scope(prompt: Prompt, config: NoveltyConfig) -> Hashable:
    return tuple(sorted({image.sha256 for image in prompt.images})) if config.across == "pictures" else ()


def _if_new(draft: Draft, own: Known, met: Known, config: NoveltyConfig) -> Draft:
    scope, question = _scope(draft.new, config), draft.new.question
    if own.likeness(scope, question) is not None:
        return draft.refused("known_question")
    likeness = met.likeness(scope, question)
    if likeness is not None:
        return draft.refused("duplicate_question" if likeness == "same" else "near_duplicate_question")
    met.add(scope, question)
    return draft


def _if_rare(draft: Draft, sizes: Counter[str], taken: Counter[str], most: int) -> Draft:
    start = opening(draft.new.question)
    taken[start] += 1
    noted = draft.noted(opening_share=sizes[start] / sizes.total())
    return noted if taken[start] <= most else noted.refused("common_opening")


def solved(
    prompts: Sequence[Prompt], config: AskingBase, tools: Tools, pictures: bool = True
) -> list[tuple[Completion, ...]]:
    """k answers to each prompt. `pictures` False: to the question alone."""
    params = tools.params(config)
    requests = [_solver_request(prompt, config, pictures) for prompt in prompts]
    given = tools.ask(requests, params)
    return [
        tuple(completion(n, one, params, tools.engine.label, shown) for n, one in enumerate(answers))
        for prompt, request, answers in zip(prompts, requests, given, strict=True)
        for shown in [None if (request.messages, request.images) == (prompt.messages, prompt.images) else request]
    ]


def _solver_request(prompt: Prompt, config: AskingBase, pictures: bool) -> Request:
    text = filled(config.solve, {"question": prompt.question})
    suffix = "/solve" if pictures else "/blind"
    return Request(prompt.id + suffix, turns(text), prompt.images if pictures else (), skill=prompt.skill)


def answered(drafts: Sequence[Draft], config: AskingBase, tools: Tools) -> list[Draft]:
    """k answers to each new question; an error where the engine gave none at all."""
    given = solved([draft.new for draft in drafts], config, tools)
    return [_with(draft, one) for draft, one in zip(drafts, given, strict=True)]


def _with(draft: Draft, given: tuple[Completion, ...]) -> Draft:
    draft = replace(draft, completions=given, broken=all(c.finish_reason == "error" for c in given))
    return draft if draft.broken or any(c.text for c in given) else draft.refused("no_answer_given")
