"""One row per item and model: what evaluation measured, and all that the gate and the report need to decide and show."""

from __future__ import annotations

from typing import Literal

from ratchet.artifacts.columns import RowSchema
from ratchet.records import Record

ModelRole = Literal["champion", "candidate"]


class Outcome(Record):
    """The greedy answer of one model to one held-out prompt, scored; and how often sampled answers were right.

    correct and score are None where the verifier could not decide: an unscored item is excluded and counted, never wrong
    by default. The yes/no fields are set for yes/no questions, the object counts for captions (CHAIR), `samples` and
    after for prompts that were also sampled (pass@k). `suite` is None for the holdout's own items, which alone the gate decides by.
    Of a suite `item` is the question's key (two may be one prompt), `said` what was read off the answer, `counts` what its
    metrics add up, `shown` how the pool that the round learns from shows the item: the gate leaves such items out. `tokens` is
    the length of the answer.
    """

    prompt_id: str
    split_key: str
    skill: str
    role: ModelRole
    text: str
    correct: bool | None
    score: float | None
    reason: str
    unparsed: bool
    clipped: bool
    yes: bool | None = None
    truth_yes: bool | None = None
    mentioned: int | None = None
    hallucinated: int | None = None
    covered: int | None = None
    truth: int | None = None
    samples: int = 0
    samples_correct: int = 0
    distinct: int = 0
    suite: str | None = None
    difficulty: float | None = None
    item: str | None = None
    said: str | None = None
    counts: dict[str, float] = {}
    shown: str | None = None
    tokens: int = 0


OUTCOMES = RowSchema("outcomes", 3, Outcome)
