"""Groups by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ratchet.recipe import Recipe
from ratchet.records import Completion, Group, Pair, Prompt, Sampling, Verdict

SKILLS = ("caption", "count", "pair")
"""`pair` asks about two pictures."""
Rows = Callable[..., Any]


def recipe_of(method: str, **parts: Any) -> Recipe:
    """A recipe that trains by this method; `parts` are the rest of train, or other stages of a recipe."""
    stages = {name: parts.pop(name) for name in ("generate", "filter", "verify") if name in parts}
    pairs = {"filter": {"pairs": {}}} if method == "dpo" else {}
    return Recipe.model_validate({"name": "test", **pairs, **stages, "train": {"method": method, **parts}})


def completion(index: int, text: str, *, kept: bool | None = None) -> Completion:
    verdict = Verdict(verifier="exact", version="1", score=float(bool(kept)), passed=kept, reason="match")
    return Completion(
        index=index,
        text=text,
        finish_reason="stop",
        sampling=Sampling(seed=1, temperature=1.0, max_new_tokens=16),
        n_tokens=len(text.split()) + 1,
        model="tiny",
        kept=kept,
        verdicts=() if kept is None else (verdict,),
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
