"""The card as text: a pure function of its facts, the same bit for bit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from ratchet.cards.facts import Facts
from ratchet.cards.markdown import code, plain, table
from ratchet.cards.numbers import head_metrics, numbers
from ratchet.report.words import probability

_SMALL = re.compile(r"\b\d(?:\.\d+)?e-\d+\b")
_HUB = re.compile(r"hf://(datasets/)?(?P<repo>[\w.-]+/[\w.-]+)")
LICENCE_UNKNOWN = "not stated"


def written(facts: Facts) -> str:
    """The whole card."""
    body = [
        *_title(facts),
        *_lineage(facts),
        *_data(facts),
        *numbers(facts),
        *_gate(facts),
        *_limits(facts),
        *_loading(facts),
    ]
    return f"---\n{_head(facts)}---\n\n" + "\n".join(body).rstrip() + "\n"


def _head(facts: Facts) -> str:
    """The YAML that the hub reads. Only what is known goes in: no guessed licence, no base model that is not on the hub."""
    head: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": "image-text-to-text"}
    if (base := _hub(facts.seed_source)) is not None:
        head["base_model"] = base
    if (data := _hub(facts.prompts_source)) is not None:
        head["datasets"] = [data]
    tags = ["ratchet", "self-improvement", "multimodal", facts.method]
    head["tags"] = [tag for tag in tags if tag]
    metrics = head_metrics(facts.measured.get("candidate") or {})
    if metrics:
        head["metrics"] = [one["type"] for one in metrics]
        data_set = {"name": f"{facts.prompts_name} (holdout)", "type": data or facts.prompts_name, "split": "holdout"}
        result = {"task": {"type": "image-text-to-text"}, "dataset": data_set, "metrics": metrics}
        head["model-index"] = [{"name": f"{facts.loop}-v{facts.version}", "results": [result]}]
    return yaml.safe_dump(head, sort_keys=False, allow_unicode=False, width=100)


def _hub(source: str) -> str | None:
    found = _HUB.match(source)
    return None if found is None else found["repo"]


def _title(facts: Facts) -> Iterator[str]:
    yield f"# {plain(facts.loop)}, version {plain(facts.version)}"
    yield ""
    if facts.promoted is None:
        yield "A registered version that was never champion of its loop."
    elif facts.move in ("rollback", "outside"):
        yield _around_the_gate(facts)
    elif facts.round is None:
        yield f"The model that the loop began with, champion since {facts.promoted}."
    else:
        yield (
            f"A vision-language model that improved itself in round {facts.round} of the loop {plain(facts.loop)} and passed "
            f"the gate; champion since {facts.promoted}."
        )
    yield ""


def _around_the_gate(facts: Facts) -> str:
    """The title of a version that a person made champion, and what the gate had said of it."""
    made = "A version from outside the rounds" if facts.round is None else f"A version made in round {facts.round}"
    reason = facts.decided.get("decision", {}).get("reason")
    gate = {None: "no gate judged it", "better": "the gate would promote it"}.get(
        reason, f"the gate refused it ({plain(str(reason))})"
    )
    how = "by a rollback" if facts.move == "rollback" else "by a move of the alias outside ratchet"
    return f"{made} of the loop {plain(facts.loop)}: {gate}. A person made it champion {how} on {facts.promoted}."


def _lineage(facts: Facts) -> Iterator[str]:
    yield from ("## Lineage", "")
    line = [facts.version, *facts.lineage]
    yield f"- Versions: {' from '.join(plain(one) for one in line)}{', the first seed' if len(line) > 1 else ''}."
    if facts.seed_source:
        yield f"- The first seed came from {code(facts.seed_source)}."
    if facts.round is not None:
        yield f"- Recipe {code(facts.recipe)}, method {code(facts.method)}, code {code(facts.code_revision)}."
    if facts.autonomy:
        yield f"- {plain(facts.autonomy)}"
    yield f"- Weights: SHA-256 {code(facts.digest)}."
    yield ""


def _data(facts: Facts) -> Iterator[str]:
    if facts.round is None:
        return
    counts = facts.counts
    yield from ("## Data", "")
    yield f"The prompts come from the pool of the set {code(facts.prompts_name)} ({code(facts.prompts_source)})."
    said = [
        f"{counts[stage][name]:,} {words}"
        for stage, name, words in (
            ("generate", "prompts", "prompts asked"),
            ("generate", "completions", "answers made"),
            ("verify", "passed", "answers passed"),
            ("filter", "kept", "prompts kept"),
            ("train", "visits", "visits in training"),
        )
        if counts.get(stage, {}).get(name) is not None
    ]
    yield f"In its own round: {', '.join(said)}." if said else ""
    yield ""
    if facts.data:
        if len(facts.learned) > 1:
            yield from (f"Kept over the {len(facts.learned)} rounds behind it, a prompt once for each round:", "")
        rows = [[plain(one.source), plain(one.licence or LICENCE_UNKNOWN), f"{one.prompts:,}"] for one in facts.data]
        yield from table(("Source", "Licence", "Prompts kept"), rows, left=2)
        yield ""
    if facts.dropped:
        told = ", ".join(
            f"{plain(name)} {n:,}" for name, n in sorted(facts.dropped.items(), key=lambda one: (-one[1], one[0]))
        )
        yield from (f"Dropped by the filter: {told}.", "")


def _gate(facts: Facts) -> Iterator[str]:
    sentences: Sequence[str] = facts.decided.get("words") or ()
    if not sentences:
        return
    yield from ("## The gate's decision", "")
    # A small p-value as the report writes it.
    yield from (f"- {plain(_SMALL.sub(lambda p: probability(float(p[0])), one))}" for one in sentences)
    if facts.answered:
        yield f"- The last word was a person's: {plain(facts.answered)}."
    yield ""


def _limits(facts: Facts) -> Iterator[str]:
    yield from ("## Limits", "")
    candidate = facts.measured.get("candidate")
    if candidate:
        yield (
            f"- Measured on {candidate['scored']:,} items of one prompt set; what it does on other pictures, questions and languages is "
            "not known."
        )
    deltas = facts.measured.get("deltas", {}).get("skills", {})
    worse = [plain(skill) for skill, one in deltas.items() if one and one["low"] < 0]
    if worse:
        yield f"- A loss is not ruled out (the interval reaches below zero) for: {', '.join(worse)}."
    unknown = sum(one.prompts for one in facts.data if one.licence is None)
    if unknown:
        yield f"- {unknown:,} of the prompts it learned from state no licence."
    yield from (f"- Alarm in its round: {plain(one)}" for one in facts.alarms)
    yield "- It learned from answers that rules, votes or models accepted; where these are wrong, so may it be."
    yield "- Nothing here measures safety or bias. The licence of the first seed applies to it."
    yield ""


def _loading(facts: Facts) -> Iterator[str]:
    yield from ("## How to load it", "")
    yield f"The weights lie at {code(facts.uri)} and are checked against their hashes when they are fetched:"
    yield from ("", "```python")
    yield "from ratchet import models"
    yield "from ratchet.artifacts import ModelRef"
    yield "from ratchet.settings import Settings"
    yield "from ratchet.store import open_store"
    yield ""
    yield f"ref = ModelRef(name={facts.loop!a}, version={facts.version!a}, uri={facts.uri!a}, digest={facts.digest!a})"
    yield "model, processor = models.load(models.fetch(open_store(Settings.from_environment().root), ref))"
    yield from ("```", "")
    yield f"Another loop starts from it with {code(f'ratchet init --loop NAME --seed models:/{facts.loop}/{facts.version}')}."
