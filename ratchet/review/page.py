"""The page to label on: the report's shell, and one script that sets foreign text as text only."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from ratchet.report.page import fragment, page
from ratchet.report.words import printable
from ratchet.review.doubts import WORDS, Doubt

STANDFIRST = "Say of each answer whether it is right. A label is kept beside the verdict and never changes it."


def render(loop: str) -> str:
    """The page itself; the queue comes after it as JSON."""
    script = (files("ratchet.review") / "static" / "review.js").read_text(encoding="utf-8")
    main = fragment("review.html.j2")
    return page(
        f"Review {loop}",
        "Is it right?",
        main,
        kicker=(loop, "review"),
        standfirst=STANDFIRST,
        script=script,
        served=True,
    )


def item(one: Doubt) -> dict[str, Any]:
    """A doubt as the page's script reads it; control characters are shown, not obeyed."""
    return {
        "id": one.id,
        "why": [WORDS[why] for why in one.why],
        "round": one.round,
        "held": one.split == "holdout",
        "skill": printable(one.prompt.skill),
        "turns": [[m.role, printable(m.content)] for m in one.prompt.messages],
        "reference": None if one.prompt.reference is None else printable(one.prompt.reference),
        "text": printable(one.text),
        "model": printable(one.model),
        "before": None if one.before is None else printable(one.before),
        "verdict": one.verdict,
        "reason": printable(one.reason),
        "said": [
            {
                "verifier": printable(said.verifier),
                "passed": said.passed,
                "score": said.score,
                "reason": printable(said.reason),
                "detail": printable(said.detail or ""),
            }
            for said in one.said
        ],
        "pictures": [[i.sha256, i.width, i.height] for i in one.prompt.images],
    }
