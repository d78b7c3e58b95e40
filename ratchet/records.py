"""The frozen rows that flow between the stages: one Group per prompt.

Stages only add: generate makes completions, verify adds verdicts, filter adds `kept`, `reason`, `uses` and pairs.
Nothing here holds picture bytes; an ImageRef names them by hash and image packs hold them once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "error"]
Use = Literal["preference", "rl", "sft"]


class Record(BaseModel):
    """Base of all rows: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageRef(Record):
    """A picture by the SHA-256 of its encoded bytes (hex). width and height in pixels."""

    sha256: str = Field(min_length=64, max_length=64)
    media_type: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)


class Message(Record):
    """One turn of a chat. Content is plain text; the prompt's pictures come before the first user turn's text."""

    role: Role
    content: str


class EnvironmentRef(Record):
    """What an environment starts from: its name and its state, JSON as the environment itself writes it."""

    name: str
    state: str


class Prompt(Record):
    """A question about one or more pictures.

    `id` is a hash of messages and picture hashes only, so the same question about the same picture is the same prompt
    wherever it comes from. `origin` is the id of the prompt that a generated question was made from. `verifiers` name
    what checks an answer against `reference`. Prompts that share `split_key` always fall into the same split, and the
    gate counts them as one cluster. `environment` is where an answer is carried out, for verifiers that look what comes of it.
    """

    id: str
    messages: tuple[Message, ...] = Field(min_length=1)
    images: tuple[ImageRef, ...] = Field(min_length=1)
    reference: str | None = None
    verifiers: tuple[str, ...] = ()
    skill: str
    difficulty: float | None = None
    source: str
    licence: str | None = None
    split_key: str
    origin: str | None = None
    environment: EnvironmentRef | None = None

    @classmethod
    def make(
        cls,
        *,
        messages: Sequence[Message],
        images: Sequence[ImageRef],
        skill: str,
        source: str,
        split_key: str | None = None,
        **fields: Any,
    ) -> Prompt:
        """Build a prompt with its id; `split_key` defaults to the first picture's hash."""
        return cls(
            id=prompt_id(messages, images),
            messages=tuple(messages),
            images=tuple(images),
            skill=skill,
            source=source,
            split_key=split_key if split_key is not None else images[0].sha256,
            **fields,
        )

    @property
    def question(self) -> str:
        """Text of the last user turn."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")


def prompt_id(messages: Sequence[Message], images: Sequence[ImageRef]) -> str:
    """32 hex digits of the SHA-256 over messages and picture hashes."""
    return content_id([[m.role, m.content] for m in messages], [i.sha256 for i in images])


def content_id(turns: Sequence[Sequence[str]], images: Sequence[str]) -> str:
    """`prompt_id` of (role, content) pairs and picture hashes."""
    return hashlib.sha256(orjson.dumps([turns, images])).hexdigest()[:32]


class Sampling(Record):
    """How one completion was drawn. `top_k` 0 means no cut; temperature 0 means greedy; `stop` are texts that end it."""

    strategy: str = "random"
    seed: int
    temperature: float = Field(ge=0)
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = Field(gt=0)
    stop: tuple[str, ...] = ()


class Shown(Record):
    """What the model really saw, where it differs from the prompt that is stored.

    `begun` is the part of the answer that was given to it to go on from; the completion's text includes it.
    """

    messages: tuple[Message, ...]
    images: tuple[ImageRef, ...]
    begun: str = ""


class Negative(Record):
    """How a deliberately bad completion came about; enough to make it again, bit for bit.

    `parent` is what was made worse: `picture:<sha256>`, `completion:<index>` of the group, `reference` or `question`.
    `use` input: the text is the parent's own, only what is shown with it is bad (for image preference).
    """

    kind: str
    use: Literal["answer", "input"] = "answer"
    params: dict[str, float] = {}
    words: dict[str, str] = {}
    seed: int
    parent: str


class Part(Record):
    """One piece of a verdict: a claim, a step, an object, with its own score."""

    name: str
    score: float


class Verdict(Record):
    """What one verifier said of one completion.

    `score` is in 0..1, or None when the verifier could not decide (then `error` or `reason` says why): a crash is
    never a score. `reason` is a slug such as "match", "wrong", "unparsed".
    """

    verifier: str
    version: str
    score: float | None = Field(default=None, ge=0, le=1)
    passed: bool | None = None
    reason: str
    detail: str | None = None
    versus: int | None = None
    parts: tuple[Part, ...] = ()
    tokens: int = 0
    error: str | None = None


class Completion(Record):
    """One answer of a model, and what became of it.

    `parent` is the index of the completion that this one was revised from. `notes` are what the strategy measured while
    it made it (agreement, rank, ...): metrics, never rewards. `error` says why there is no answer where finish_reason is
    "error": a slug, a colon, words.
    """

    index: int = Field(ge=0)
    text: str
    finish_reason: FinishReason
    sampling: Sampling
    logprob_sum: float | None = None
    n_tokens: int = Field(ge=0)
    model: str
    input: Shown | None = None
    negative: Negative | None = None
    parent: int | None = None
    notes: tuple[Part, ...] = ()
    error: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    kept: bool | None = None
    reason: str | None = None

    @property
    def blind(self) -> bool:
        """Whether the model answered from a text alone (Vision-SR1's check of its description), not to be imitated."""
        return self.negative is None and self.input is not None and not self.input.images

    @property
    def honest(self) -> bool:
        """Whether it is the model's own attempt at the prompt and its pictures: only these say how good the model is."""
        return self.negative is None and not self.blind

    @property
    def input_only(self) -> bool:
        """Whether only the picture is bad: the text is a right answer's own."""
        return self.negative is not None and self.negative.use == "input"


class Pair(Record):
    """A preference between two completions of the group, by index. margin is the score gap."""

    chosen: int
    rejected: int
    kind: Literal["text", "image"] = "text"
    margin: float
    reason: str


class Group(Record):
    """One row of every artifact between the stages: a prompt, its completions with verdicts, its pairs.

    `uses` says what training may use it for; `reason` says why a dropped group was dropped (None: kept or undecided).
    `replayed` is the round that it was kept in, where a later one learns from it again.
    """

    prompt: Prompt
    completions: tuple[Completion, ...] = ()
    pairs: tuple[Pair, ...] = ()
    uses: tuple[Use, ...] = ()
    reason: str | None = None
    replayed: int | None = None
