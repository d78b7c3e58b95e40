"""Verified groups for the tests of the filters."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from ratchet.records import Completion, Group, ImageRef, Message, Negative, Prompt, Sampling, Verdict

NEGATIVE = Negative(kind="blur", seed=1, parent="0" * 64)


def ref(name: object) -> ImageRef:
    return ImageRef(sha256=hashlib.sha256(str(name).encode()).hexdigest(), media_type="image/png", width=8, height=8)


def prompt(
    number: int = 0, question: str = "how many ?", images: Sequence[ImageRef] | None = None, **fields: Any
) -> Prompt:
    given = {"skill": "count", "source": "test", "reference": "3", **fields}
    return Prompt.make(messages=[Message(role="user", content=question)], images=images or [ref(number)], **given)


def completion(index: int, mark: str, text: str | None = None, **fields: Any) -> Completion:
    """`mark`: + right, - wrong, ~ half right, ? unscored, u unparsed."""
    score, passed, reason = {
        "+": (1.0, True, "match"), "-": (0.0, False, "wrong"), "~": (0.5, False, "partial"), "?": (None, None, "crash"), "u": (0.0, False, "unparsed"),
    }[mark]  # fmt: skip
    verdict = Verdict(verifier="v", version="1", score=score, passed=passed, reason=reason)
    return Completion.model_validate(
        {
            "index": index, "text": text if text is not None else f"{mark}{index}", "finish_reason": "stop", "n_tokens": 2, "model": "m",
            "sampling": Sampling(seed=index, temperature=1.0, max_new_tokens=8), "verdicts": (verdict,), **fields,
        }
    )  # fmt: skip


def group(marks: str = "+-", number: int = 0, **fields: Any) -> Group:
    return Group(
        prompt=prompt(number, **fields), completions=tuple(completion(i, mark) for i, mark in enumerate(marks))
    )
