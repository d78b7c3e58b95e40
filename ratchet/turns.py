"""Prompts and answers as lists of messages in TRL's shape: what training rows and exported data sets have in common."""

from __future__ import annotations

from typing import Any

from ratchet.records import Prompt, Shown

Turns = list[dict[str, str]]


def asked(prompt: Prompt | Shown) -> Turns:
    """The turns of what is asked, or of what was really shown. Pictures are not part of them."""
    return [{"role": message.role, "content": message.content} for message in prompt.messages]


def answered(text: str) -> Turns:
    """An answer as the one turn that it is."""
    return [{"role": "assistant", "content": text}]


def question(prompt: Prompt | Shown) -> dict[str, Any]:
    """The columns that every training row begins with: `images`, the pictures' SHA-256, and `prompt`, the turns."""
    return {"images": [ref.sha256 for ref in prompt.images], "prompt": asked(prompt)}
