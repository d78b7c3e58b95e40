"""What kind of question a prompt asks, guessed from its words and its verifiers: a set rarely says so itself."""

from __future__ import annotations

import re

from ratchet.records import Prompt
from ratchet.verify.text import normalise

OTHER = "other"
_VERIFIERS = {"yes_no": "yes or no", "choice": "choice", "caption": "describe", "objects": "describe"}
_OPTIONS = re.compile(r"(?:^|\s)\(?A[.):]\s.+?\s\(?B[.):]\s", re.S)
# The first that fits, from the most to the least telling.
_WORDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        # "Can you describe it?" asks for a description.
        (
            "yes or no",
            r"^(?!(can|could|will|would) you (please )?(describe|list|count|read|tell|say|name|explain|write)\b)"
            r"(is|are|was|were|do|does|did|can|could|has|have|will|would|should)\b",
        ),
        ("how many", r"\bhow (many|much)\b|\bnumber of\b|\bcount\b"),
        ("describe", r"\b(describe|caption|description|list (all|every))\b"),
        ("read", r"\b(read|written|text|word|say|says|spell)\b"),
        ("where", r"\bwhere\b|\b(position|location|locate)\b"),
        ("which", r"\bwhich\b"),
        ("who", r"\b(who|whose)\b"),
        ("when", r"\bwhen\b|\bwhat (time|year|date|day)\b"),
        ("why", r"\bwhy\b"),
        ("how", r"\bhow\b"),
        ("what", r"\bwhat\b"),
    )
)
KINDS = (*dict.fromkeys([*_VERIFIERS.values(), *(kind for kind, _ in _WORDS)]), OTHER)
"""All kinds there are."""


def kind_of(prompt: Prompt) -> str:
    """One of KINDS."""
    by_verifier = next((_VERIFIERS[name] for name in prompt.verifiers if name in _VERIFIERS), None)
    if by_verifier is not None:
        return by_verifier
    if _OPTIONS.search(prompt.question):
        return "choice"
    if prompt.reference is not None and normalise(prompt.reference) in ("yes", "no"):
        return "yes or no"
    question = normalise(prompt.question)
    return next((kind for kind, pattern in _WORDS if pattern.search(question)), OTHER)
