"""Groups by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ratchet.records import Completion, Group, Pair, Prompt, Sampling

SKILLS = ("caption", "count", "pair")
"""`pair` asks about two pictures."""
Rows = Callable[..., Any]


def completion(index: int, text: str, *, kept: bool | None = None) -> Completion:
    return Completion(
        index=index,
        text=text,
        finish_reason="stop",
        sampling=Sampling(seed=1, temperature=1.0, max_new_tokens=16),
        n_tokens=len(text.split()) + 1,
        model="tiny",
        kept=kept,
    )


def group_of(prompt: Prompt) -> Group:
    """The reference as the kept answer, and a wrong one that it is preferred to."""
    wrong = "no" if prompt.reference != "no" else "yes"
    return Group(
        prompt=prompt,
        completions=(completion(0, wrong, kept=False), completion(1, prompt.reference or "", kept=True)),
        pairs=(Pair(chosen=1, rejected=0, margin=1.0, reason="score"),),
        uses=("preference", "sft"),
    )
