"""A prompt as the model reads it: the chat template's text and the pictures that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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


def chat_text(processor: Any, messages: Sequence[Message], pictures: int) -> str:
    """The text of a prompt, ready for the model's answer."""
    turns = chat_parts(messages, pictures)
    return str(processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


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
