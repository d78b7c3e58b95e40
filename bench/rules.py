"""Rates of every rule by itself: right, wrong and long answers, eight a prompt. The slowest one is the result.

A worker's CPU time counts where a rule has one. maths has a benchmark of its own.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from bench.maths import TICKS
from bench.result import Result
from ratchet.recipe import VerifyConfig
from ratchet.records import Completion, Group, ImageRef, Message, Prompt, Sampling
from ratchet.verify.contained import Contained
from ratchet.verify.protocol import Verifier
from ratchet.verify.rules import RULE_BUILDERS

GOAL_RATE = 20_000
K = 8
OPTIONS = {"length": {"most": 40}, "json_schema": {"fits": {"type": "object", "required": ["count"]}}}
REFERENCES = {
    "exact": "top left", "text": "two dogs", "numeric": "1.5 m", "choice": "circles", "yes_no": "yes", "count": "4", "chart": "45%",
    "set_f1": "cat, dog, cow", "objects": "red circle, blue square", "ordering": "cat, dog, cow", "anls": "Main Street 12",
    "edits": "Main Street 12", "iou": "[10, 10, 50, 50]", "detection": "cat [10, 10, 50, 50], dog [60, 60, 90, 90]",
    "point": "[10, 10, 50, 50]", "caption": "dog, person", "json_schema": '{"count": 3}', "python": "x = f(1)",
    "svg": '<svg><circle r="3"/></svg>', "format": "3", "length": "3", "repetition": "3",
}  # fmt: skip
"""One reference a rule."""
CHAIN = "First I look at the picture and then I count what is in it, one after the other. " * 4


def measure(quick: bool) -> list[Result]:
    """Verdicts a CPU-second of every rule; the slowest."""
    rates = {name: _rate(name, 40 if quick else 400, 1 if quick else 5) for name in REFERENCES}
    slowest = min(rates, key=lambda name: rates[name])
    what = f"verdicts a CPU-second of the slowest rule but maths, {slowest}: {K} different answers a prompt"
    return [Result("rules rate", what, GOAL_RATE, True, rates[slowest], "1/s", detail=rates)]


def _rate(name: str, prompts: int, turns: int) -> float:
    (config,) = VerifyConfig.model_validate({"verifiers": [{"name": name, **OPTIONS.get(name, {})}]}).chosen
    verifier = RULE_BUILDERS[name](config, None)
    groups = [_group(REFERENCES[name], number) for number in range(prompts)]
    verifier.verify(groups[:2])
    rates = []
    for _ in range(turns):
        start = _cpu(verifier)
        verifier.verify(groups)
        rates.append(prompts * K / max(_cpu(verifier) - start, 1 / TICKS))
    return statistics.median(rates)


def _cpu(verifier: Verifier) -> float:
    own = os.times()
    pid = verifier.worker.pid if isinstance(verifier, Contained) else None
    if pid is None:
        return own.user + own.system
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return own.user + own.system + (int(fields[11]) + int(fields[12])) / TICKS


def _group(reference: str, number: int) -> Group:
    prompt = Prompt.make(
        messages=[Message(role="user", content=f"what is in picture {number} ?")],
        images=[ImageRef(sha256="5" * 64, media_type="image/png", width=100, height=100)],
        skill="bench",
        source="bench",
        reference=reference,
    )
    return Group(
        prompt=prompt, completions=tuple(_completion(i, text) for i, text in enumerate(_texts(reference, number)))
    )


def _texts(reference: str, number: int) -> Sequence[str]:
    return (
        reference,
        f"<answer>{reference}</answer>",
        f"<think>{number}. {CHAIN}</think><answer>{reference}</answer>",
        f"\\boxed{{{reference}}}",
        f"The answer is {reference}.",
        f"I cannot see it in {number}",
        f"{reference} and {number}",
        "",
    )


def _completion(index: int, text: str) -> Completion:
    sampling = Sampling(seed=0, temperature=1.0, max_new_tokens=32)
    return Completion(index=index, text=text, finish_reason="stop", sampling=sampling, n_tokens=1, model="bench")
