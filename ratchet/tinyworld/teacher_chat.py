"""What the teacher server says: a chat request, as OpenAI's protocol has it, answered by a model in this process."""

from __future__ import annotations

import base64
import binascii
import secrets
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ratchet.artifacts import ImageBank
from ratchet.errors import PromptSetError, RatchetError
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Answer, Request
from ratchet.generate.engines.continuing import decoded
from ratchet.generate.engines.local import TransformersEngine
from ratchet.records import ImageRef, Message, Role
from ratchet.store import FolderStore
from ratchet.tinyworld.seed import SEED_DIR

if TYPE_CHECKING:
    import torch

NAME = "tinyworld-seed"


class Refusal(Exception):
    """A request that gets an error reply with this HTTP status."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Url(_Form):
    url: str


class _Part(_Form):
    type: Literal["text", "image_url"]
    text: str = ""
    image_url: _Url | None = None


class _Turn(_Form):
    role: Role
    content: str | tuple[_Part, ...]


class ChatRequest(_Form):
    """The fields of POST chat/completions that are heeded; OpenAI's names and defaults, and vLLM's."""

    model: str
    messages: tuple[_Turn, ...] = Field(min_length=1)
    n: int = Field(1, ge=1, le=256)
    temperature: float = Field(1.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=-1)
    min_p: Literal[0] = 0
    repetition_penalty: Literal[1] = 1
    max_tokens: int | None = Field(None, gt=0)
    max_completion_tokens: int | None = Field(None, gt=0)
    seed: int | None = Field(None, ge=0)
    stop: str | tuple[str, ...] = ()
    logprobs: bool = False
    stream: Literal[False] = False
    return_token_ids: bool = False
    include_stop_str_in_output: bool = False
    continue_final_message: bool = False
    add_generation_prompt: bool = True

    def params(self) -> SamplingParams:
        return SamplingParams(
            k=self.n,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=max(self.top_k, 0),
            max_new_tokens=self.max_completion_tokens or self.max_tokens or 32,
            seed=secrets.randbits(31) if self.seed is None else self.seed,
            stop=(self.stop,) if isinstance(self.stop, str) else self.stop,
        )


class _Telling(TransformersEngine):
    """Keeps each answer's tokens and their log-probabilities, which a reply spells out."""

    said: Sequence[tuple[list[int], list[float]]] = ()

    def _answers(
        self,
        tokens: torch.Tensor,
        logprobs: torch.Tensor,
        stop: Sequence[str] = (),
        asked: Sequence[Request] = (),
    ) -> list[Answer]:
        answers = super()._answers(tokens, logprobs, stop, asked)
        rows = zip(tokens.tolist(), logprobs.tolist(), answers, strict=True)
        self.said = [(ids[: a.n_tokens], values[: a.n_tokens]) for ids, values, a in rows]
        return answers


class Teacher:
    """Answers chat requests with the model in `folder`; `name` is what it is called in the protocol."""

    def __init__(self, folder: str | Path = SEED_DIR, name: str = NAME) -> None:
        self.name = name
        # The pictures come with the requests; there is no pack to read.
        bank = ImageBank(FolderStore(tempfile.gettempdir()), [])
        self._engine = _Telling(folder, bank, name, batch_size=1024)
        self._lock = threading.Lock()

    def models(self) -> dict[str, Any]:
        listed = {"id": self.name, "object": "model", "created": 0, "owned_by": "ratchet"}
        return {"object": "list", "data": [listed]}

    def chat(self, body: Any) -> dict[str, Any]:
        """The reply to a request's JSON. Raises Refusal."""
        try:
            asked = ChatRequest.model_validate(body)
            params = asked.params()
        except ValidationError as error:
            said = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise Refusal(400, "; ".join(said)) from None
        if asked.model != self.name:
            raise Refusal(404, f"the model {asked.model!r} does not exist; {self.name} does")
        with self._lock:
            try:
                request = self._request(asked)
                (answers,) = self._engine.answer([request], params)
            except RatchetError as error:
                raise Refusal(400, str(error)) from None
            finally:
                self._engine.bank.take_added()
            _check_answered(answers, self._engine.positions)
            choices = [self._choice(asked, params, index, answer, request) for index, answer in enumerate(answers)]
        return {
            "id": f"chatcmpl-{secrets.token_hex(8)}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self.name,
            "choices": choices,
            "usage": {
                "prompt_tokens": answers[0].n_prompt,
                "completion_tokens": sum(answer.n_tokens for answer in answers),
            },
        }

    def _request(self, asked: ChatRequest) -> Request:
        turns, begun = asked.messages, ""
        if asked.continue_final_message:
            *others, last = turns
            if asked.add_generation_prompt or last.role != "assistant" or not isinstance(last.content, str):
                words = "continue_final_message needs add_generation_prompt false and a last turn of the assistant"
                raise Refusal(400, words)
            turns, begun = tuple(others), last.content
        images: list[ImageRef] = []
        messages = []
        users = 0
        for turn in turns:
            users += turn.role == "user"
            text, shown = _read(turn, self._engine.bank)
            if shown and (turn.role != "user" or users > 1):
                raise Refusal(400, "pictures belong into the first turn of the user")
            messages.append(Message(role=turn.role, content=text))
            images += shown
        return Request("teacher", tuple(messages), tuple(images), begun=begun)

    def _choice(
        self, asked: ChatRequest, params: SamplingParams, index: int, answer: Answer, request: Request
    ) -> dict[str, Any]:
        ids, values = self._engine.said[index]
        tokenizer = self._engine.processor.tokenizer
        tokens = tokenizer.convert_ids_to_tokens(ids)
        spelled = [
            {"token": token, "logprob": value, "bytes": None, "top_logprobs": []}
            for token, value in zip(tokens, values, strict=True)
        ]
        (said,) = decoded(self._engine.processor, [ids], [request])
        text, stop = _stopped(said, params.stop, asked.include_stop_str_in_output)
        return {
            "index": index,
            "message": {"role": "assistant", "content": text},
            "logprobs": {"content": spelled} if asked.logprobs else None,
            "finish_reason": answer.finish_reason,
            "stop_reason": stop,
            "token_ids": ids if asked.return_token_ids else None,
        }


def _read(turn: _Turn, bank: ImageBank) -> tuple[str, list[ImageRef]]:
    """A turn's text and pictures, which come before it. Raises Refusal for another order and for what is no picture."""
    if isinstance(turn.content, str):
        return turn.content, []
    texts = [part.text for part in turn.content if part.type == "text"]
    if len(texts) != 1 or turn.content[-1].type != "text":
        raise Refusal(400, "a turn's content is its pictures, then one text")
    return texts[0], [_picture(part, bank) for part in turn.content[:-1]]


def _picture(part: _Part, bank: ImageBank) -> ImageRef:
    head, found, encoded = (part.image_url.url if part.image_url else "").partition(";base64,")
    if not found or not head.startswith("data:image/"):
        raise Refusal(400, "pictures come as data URLs (data:image/png;base64,...); none is fetched")
    try:
        return bank.add(base64.b64decode(encoded, validate=True))
    except (binascii.Error, PromptSetError) as error:
        raise Refusal(400, f"no picture: {error}") from None


def _check_answered(answers: Sequence[Answer], positions: int) -> None:
    slug, _, words = (answers[0].error or "").partition(": ")
    if slug == "too_long":
        raise Refusal(400, f"This model's maximum context length is {positions} tokens: {words}")
    if slug:
        raise Refusal(400, f"{slug}: {words}")


def _stopped(text: str, stops: Sequence[str], keep: bool) -> tuple[str, str | None]:
    """The text up to the first stop text, and which that is."""
    found = [(text.index(stop), stop) for stop in stops if stop in text]
    if not found:
        return text, None
    start, stop = min(found)
    return text[: start + len(stop) * keep], stop
