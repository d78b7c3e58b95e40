"""A prompt as the model reads it: the chat template's text and the pictures that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ratchet.generate.engine import Answer, Request
from ratchet.records import Message


def chat_parts(messages: Sequence[Message], pictures: int) -> list[dict[str, Any]]:
    """Messages with content parts; the pictures come before the first user turn's text, as TRL puts them."""
    turns: list[dict[str, Any]] = []
    left = pictures
    for message in messages:
        parts: list[dict[str, str]] = [{"type": "text", "text": message.content}]
        if message.role == "user" and left:
            parts = [{"type": "image"}] * left + parts
            left = 0
        turns.append({"role": message.role, "content": parts})
    return turns


def chat_text(processor: Any, messages: Sequence[Message], pictures: int, begun: str = "") -> str:
    """The text of a prompt, ready for the model's answer, or for the rest of an answer that is `begun`.

    A beginning is the assistant's last turn, cut where its text ends (`continue_final_message`, as vLLM's server has it):
    what a template puts between role and text may differ from what it puts where an answer is to come. A template that
    trims its turns takes the blanks at the end of `begun` away. Raises what the template raises.
    """
    turns = chat_parts(messages, pictures)
    if not begun:
        return str(processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    turns.append({"role": "assistant", "content": [{"type": "text", "text": begun}]})
    return str(processor.apply_chat_template(turns, tokenize=False, continue_final_message=True))


def request_text(processor: Any, request: Request) -> str | Answer:
    """The text of a request, or the failed answer where the chat template refuses its messages.

    Templates refuse a role, an order of turns, or (ValueError, by transformers) a beginning that they do not show. What is
    mixed with a model that sees no pictures must have a text without them too.
    """
    from jinja2 import TemplateError

    try:
        if request.mixed:
            chat_text(processor, request.messages, 0, request.begun)
        return chat_text(processor, request.messages, len(request.images), request.begun)
    except (TemplateError, ValueError, TypeError) as error:
        words = " ".join(str(error).split())[:300] or type(error).__name__
        return Answer.failed("refused", f"the chat template refuses these messages: {words}")


def encode(processor: Any, texts: Sequence[str], pictures: Sequence[Sequence[Any]]) -> Any:
    """Tensors of a batch, padded on the left (rows x tokens, and the pixels as the model's processor lays them out).

    Rows may have no picture. Processors refuse a batch of empty lists, so where no row has one, none are given.
    Special tokens are added only where the template does not begin with the tokenizer's own, as transformers does it.
    """
    begin = processor.tokenizer.bos_token
    processor.tokenizer.padding_side = "left"
    return processor(
        text=list(texts),
        images=[list(row) for row in pictures] if any(pictures) else None,
        padding=True,
        return_tensors="pt",
        add_special_tokens=not (begin and texts[0].startswith(begin)),
    )
