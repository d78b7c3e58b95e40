"""The seam between strategies and engines: what is asked of a model, what it says, and how that becomes a completion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ratchet.artifacts import ImageBank
from ratchet.generate.sampling import SamplingParams
from ratchet.records import Completion, FinishReason, Group, ImageRef, Message, Prompt, Shown

BatchHook = Callable[[int], None]
"""Called after each batch with the number of completions that it made."""


@dataclass(frozen=True)
class Request:
    """One question to a model. `id` names the draw: the same id, parameters and content give the same answers.

    `begun` is what the answer begins with; the model goes on from there, and its answer's text does not repeat it. Cut
    before the blank between two words, not behind it: the tokens of most models begin with the blank.
    `skill` only says which requests have answers of about the same length.

    With `mix` the answer is decoded with log p = (1 - w) log p(y | pictures) + w log p(y | no pictures), where
    w = 1 - (1 - mix) exp(-forget t) at token t: only the engine transformers can.
    """

    id: str
    messages: tuple[Message, ...]
    images: tuple[ImageRef, ...]
    begun: str = ""
    skill: str = ""
    mix: float = 0.0
    forget: float = 0.0

    @property
    def mixed(self) -> bool:
        return bool(self.mix or self.forget)

    @classmethod
    def of(cls, prompt: Prompt) -> Request:
        """The prompt as it is."""
        return cls(prompt.id, prompt.messages, prompt.images, skill=prompt.skill)


@dataclass(frozen=True)
class Answer:
    """What a model said. `n_tokens` counts the end token; `logprob_sum` is under the model at temperature 1, in nats.

    `text` has no blanks at its end (they are in `trail`, which is no part of what makes answers equal), nor at its start
    unless it goes on from a beginning: then `begun + text` is the whole, to the character.
    A request that could not be answered has finish_reason "error", no text, and `error`: a slug, a colon, words.
    Slugs: too_long, picture, refused, timeout, server, reply. A text that a stop string ended includes it.
    `n_prompt` counts the tokens that were read for it, those of pictures included; 0 where the engine does not say.
    """

    text: str
    n_tokens: int
    finish_reason: FinishReason
    logprob_sum: float | None = None
    error: str | None = None
    trail: str = field(default="", compare=False)
    n_prompt: int = field(default=0, compare=False)

    @classmethod
    def said(
        cls, text: str, begun: str, n_tokens: int, finish_reason: FinishReason, logprob_sum: float | None
    ) -> Answer:
        """The answer of a model that went on from `begun` with `text`."""
        whole = text if begun else text.lstrip()
        kept = whole.rstrip()
        return cls(kept, n_tokens, finish_reason, logprob_sum, trail=whole[len(kept) :])

    @classmethod
    def failed(cls, slug: str, words: str) -> Answer:
        """The answer of a request that could not be answered."""
        return cls("", 0, "error", error=f"{slug}: {words}")

    @classmethod
    def refused(cls, pictures: Sequence[Any], error: Exception) -> Answer:
        """The processor does not take these pictures (PIL)."""
        sizes = ", ".join(f"{picture.width}x{picture.height}" for picture in pictures)
        return cls.failed("refused", f"the processor refuses pictures of {sizes}: {error}")

    @classmethod
    def too_long(cls, tokens: int, new: int, limit: int, whose: str = "the model's") -> Answer:
        """The prompt has so many tokens, those of its pictures counted, that `new` more do not fit."""
        words = f"{tokens} tokens with pictures and max_new_tokens {new} exceed {whose} {limit} positions"
        return cls.failed("too_long", words)


@dataclass(frozen=True)
class Given:
    """A text whose likelihood is asked for, as the answer to a request. `ended`: its end token is part of it.

    `text` goes on from the request's `begun` and does not repeat it.
    """

    request: Request
    text: str
    ended: bool = True

    @classmethod
    def of(cls, request: Request, said: Completion) -> Given:
        """A completion's text; it ended unless it was cut, by length or at a stop string."""
        halted = any(said.text.endswith(stop) for stop in said.sampling.stop)
        return cls(request, said.text, said.finish_reason != "length" and not halted)


@dataclass(frozen=True)
class TextLikelihood:
    """log p(text | request) at temperature 1, in nats, and how many tokens it is the sum of.

    `logprob_sum` is None where it could not be had: `error` says why, a slug, a colon, words. Slugs are those of answers,
    and `empty`.
    """

    logprob_sum: float | None
    n_tokens: int
    error: str | None = None

    @classmethod
    def failed(cls, slug: str, words: str) -> TextLikelihood:
        return cls(None, 0, f"{slug}: {words}")


class Engine(Protocol):
    """Runs one model. Completions name `label` as theirs; pictures are looked up in `bank`.

    `answer` gives `params.k` answers for each request, in the order of the requests. A request that fails gets k failed
    answers; what makes all of them fail is raised as SamplingError. `likelihoods` says how likely given texts are, equal
    to what sampling them would have recorded; SamplingError where the engine cannot tell. `close` frees the model and stops
    what was started.
    """

    label: str
    bank: ImageBank

    def answer(self, requests: Sequence[Request], params: SamplingParams) -> list[tuple[Answer, ...]]: ...

    def likelihoods(self, given: Sequence[Given]) -> list[TextLikelihood]: ...

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Group]:
        """Groups in the order of `prompts`; engines take this from `sample` below."""
        ...

    def close(self) -> None: ...


def sample(engine: Engine, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Group]:
    """Plain sampling: `params.k` answers to each prompt as it is. All are made before the first group comes."""
    params.checked()
    answers = engine.answer([Request.of(prompt) for prompt in prompts], params)
    for prompt, given in zip(prompts, answers, strict=True):
        yield Group(prompt=prompt, completions=completions(given, params, engine.label))


def completions(
    answers: Iterable[Answer], params: SamplingParams, label: str, first: int = 0
) -> tuple[Completion, ...]:
    """Answers as completions, numbered from `first`."""
    return tuple(completion(first + number, answer, params, label) for number, answer in enumerate(answers))


def completion(
    index: int, answer: Answer, params: SamplingParams, label: str, shown: Request | None = None, **fields: Any
) -> Completion:
    """The one place where an answer becomes a completion, so that all engines give the same record for the same answer.

    `shown` is the request where it differs from the prompt that is stored. A failed answer's completion has no text,
    whatever it would have gone on from.
    """
    return Completion(
        index=index,
        text=answer.text if shown is None or answer.error is not None else joined(shown.begun, answer.text),
        finish_reason=answer.finish_reason,
        sampling=params.record(),
        logprob_sum=answer.logprob_sum,
        n_tokens=answer.n_tokens,
        model=label,
        input=None if shown is None else Shown(messages=shown.messages, images=shown.images, begun=shown.begun),
        error=answer.error,
        **fields,
    )


def joined(begun: str, text: str) -> str:
    """The whole answer: what the model was given to go on from, and what it said."""
    return begun + text
