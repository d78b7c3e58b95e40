"""Steps of a strategy that asks more than once: what is shown, and what follows from an answer or its failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ratchet.generate.engine import Answer, Request, completion
from ratchet.generate.sampling import SamplingParams
from ratchet.generate.strategies.tools import Tools
from ratchet.recipe.strategies.templates import filled
from ratchet.records import Completion, Group, Message, Part, Prompt

EMPTY = "empty"
"""Slug of a completion that was not asked for, because what it was to be made from has no text."""

Step = Request | Answer
"""What is asked, or the failed answer in its place where it cannot be asked."""


@dataclass(frozen=True)
class Made:
    """An answer and the step that it came from. `parent` is an index in the group."""

    step: Step
    answer: Answer
    parent: int | None = None
    notes: tuple[Part, ...] = ()


def request(prompt: Prompt, stage: str, template: str, **values: str) -> Request:
    """The prompt with the filled template in place of its question. `stage` tells the draws of a prompt's steps apart."""
    text = filled(template, {"question": prompt.question, **values})
    return Request(f"{prompt.id}/{stage}", asked(prompt.messages, text), prompt.images, skill=prompt.skill)


def asked(messages: Sequence[Message], text: str) -> tuple[Message, ...]:
    """The messages with `text` as their last user turn; a chat without one gets it at its end."""
    turn = Message(role="user", content=text)
    place = max((i for i, message in enumerate(messages) if message.role == "user"), default=None)
    return (*messages, turn) if place is None else (*messages[:place], turn, *messages[place + 1 :])


def told(messages: Sequence[Message], text: str) -> tuple[Message, ...]:
    """The messages with `text` as their system turn, or below the one that they begin with."""
    if messages[0].role != "system":
        return (Message(role="system", content=text), *messages)
    return (Message(role="system", content=f"{messages[0].content}\n\n{text}"), *messages[1:])


def then(said: Answer, what: str, ask: Callable[[str], Request]) -> Step:
    """The request that `ask` makes of the text that was said; where there is none, the failed answer that says why."""
    return failure(said, what) or ask(said.text.strip())


def failure(said: Answer, what: str) -> Answer | None:
    """Why nothing can be made of an answer, as the failed answer of what would have been; None where it has a text."""
    if said.error is not None:
        slug, _, words = said.error.partition(": ")
        return Answer.failed(slug, words if words.startswith(f"{what}: ") else f"{what}: {words}")
    if not said.text.strip():
        return Answer.failed(EMPTY, f"the {what} has no text, so nothing was asked with it")
    return None


def ask(tools: Tools, steps: Sequence[Sequence[Step]], params: SamplingParams) -> list[list[Made]]:
    """`params.k` answers for each step of each prompt, step by step, from one call of the engine."""
    requests = [step for one in steps for step in one if isinstance(step, Request)]
    given = iter(tools.ask(requests, params))
    return [
        [
            Made(step, answer)
            for step in one
            for answer in (next(given) if isinstance(step, Request) else (step,) * params.k)
        ]
        for one in steps
    ]


def clipped(*said: Answer) -> tuple[Part, ...]:
    """A note that the completion was made from a text that max_new_tokens cut."""
    return (Part(name="clipped_context", score=1.0),) if any(one.finish_reason == "length" for one in said) else ()


def group(prompt: Prompt, made: Sequence[Made], params: SamplingParams, tools: Tools) -> Group:
    """The group of what was made, numbered in the order given."""
    completions = tuple(_completion(index, one, prompt, params, tools.engine.label) for index, one in enumerate(made))
    return Group(prompt=prompt, completions=completions)


def _completion(index: int, made: Made, prompt: Prompt, params: SamplingParams, label: str) -> Completion:
    notes = () if made.answer.error is not None else made.notes
    shown = made.step if isinstance(made.step, Request) and _differs(made.step, prompt) else None
    return completion(index, made.answer, params, label, shown, parent=made.parent, notes=notes)


def _differs(request: Request, prompt: Prompt) -> bool:
    return (request.messages, request.images, request.begun) != (prompt.messages, prompt.images, "")
