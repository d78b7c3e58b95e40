"""The card as text: a pure function of its facts, the same bit for bit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from ratchet.cards.facts import Facts
from ratchet.cards.markdown import code, plain, table
from ratchet.report.final import CHAMPION, SEED
from ratchet.report.words import percent, probability, signed

_SMALL = re.compile(r"\b\d(?:\.\d+)?e-\d+\b")
_HUB = re.compile(r"hf://(datasets/)?(?P<repo>[\w.-]+/[\w.-]+)")
LICENCE_UNKNOWN = "not stated"
_INTERVALS = "Intervals are 95%; a figure without one has none. Every comparison is of both models on the same items."
YES_NO = (
    ("accuracy", "Yes/no accuracy"),
    ("precision", "Yes/no precision"),
    ("recall", "Yes/no recall"),
    ("f1", "Yes/no F1"),
    ("yes_ratio", "Share of yes"),
    ("true_yes_ratio", "True share of yes"),
)
CHAIR = (("chair_i", "CHAIR_i (lower is better)"), ("chair_s", "CHAIR_s (lower is better)"), ("cover", "Cover"))


def written(facts: Facts) -> str:
    """The whole card."""
    body = [
        *_title(facts),
        *_lineage(facts),
        *_data(facts),
        *_numbers(facts),
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
    metrics = _metrics(facts.measured.get("candidate") or {})
    if metrics:
        head["metrics"] = [one["type"] for one in metrics]
        data_set = {"name": f"{facts.prompts_name} (holdout)", "type": data or facts.prompts_name, "split": "holdout"}
        result = {"task": {"type": "image-text-to-text"}, "dataset": data_set, "metrics": metrics}
        head["model-index"] = [{"name": f"{facts.loop}-v{facts.version}", "results": [result]}]
    return yaml.safe_dump(head, sort_keys=False, allow_unicode=False, width=100)


def _hub(source: str) -> str | None:
    found = _HUB.match(source)
    return None if found is None else found["repo"]


def _metrics(measured: Mapping[str, Any]) -> list[dict[str, Any]]:
    values = {
        "accuracy": measured.get("accuracy"),
        "chair_i": (measured.get("chair") or {}).get("chair_i"),
        "pass@k": (measured.get("sampled") or {}).get("pass_at_k"),
    }
    return [{"type": name, "value": round(value, 4)} for name, value in values.items() if value is not None]


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


def _numbers(facts: Facts) -> Iterator[str]:
    measured = facts.measured
    if not measured.get("candidate"):
        return
    yield from ("## Numbers", "", _INTERVALS, "")
    yield f"On the holdout of round {facts.round}, which the gate read, with the seed of that round beside it:"
    yield ""
    yield from table(
        ("", "Before", "This version", "Difference, points"), list(_rows(measured, "champion", "candidate", measured))
    )
    yield ""
    yield from _published(facts.published)
    yield from _controls(facts)


def _published(results: Mapping[str, Any]) -> Iterator[str]:
    models = results.get("models", {})
    if SEED not in models or CHAMPION not in models:
        return
    yield "On the report split, which no decision has read, beside the loop's first seed:"
    yield ""
    deltas = results.get("to_seed", {}).get(CHAMPION, {})
    yield from table(
        ("", "First seed", "This version", "Difference, points"), list(_rows(models, SEED, CHAMPION, deltas))
    )
    yield ""


def _rows(models: Mapping[str, Any], left: str, right: str, deltas: Mapping[str, Any]) -> Iterator[list[str]]:
    ours, theirs = models[right], models[left]
    more = deltas.get("deltas", {})
    yield ["Accuracy", _rate(theirs), _rate(ours), _delta(deltas.get("delta"))]
    for skill, one in ours.get("skills", {}).items():
        yield [
            f"Accuracy, {plain(skill)}",
            _rate(theirs.get("skills", {}).get(skill)),
            _rate(one),
            _delta(more.get("skills", {}).get(skill)),
        ]
    k = (ours.get("sampled") or {}).get("k")
    for part, names, delta in (
        ("sampled", (("pass_at_k", f"pass@{k}"),), "pass_at_k"),
        ("chair", CHAIR, "chair_i"),
        ("yes_no", YES_NO, None),
    ):
        before, now = theirs.get(part) or {}, ours.get(part) or {}
        for number, (name, words) in enumerate(names):
            if now.get(name) is not None:
                change = _delta(more.get(delta)) if delta is not None and number == 0 else ""
                yield [words, _share(before, name), _share(now, name), change]
    for name, words in (("unparsed", "Answers that could not be read"), ("clipped", "Answers cut at the token limit")):
        if ours.get(name) is not None:
            yield [words, _share(theirs, name), _share(ours, name), ""]


def _rate(one: Mapping[str, Any] | None) -> str:
    if not one or one.get("accuracy") is None:
        return "–"
    return f"{percent(one['accuracy'])} ({100 * one['low']:.1f} to {100 * one['high']:.1f}, n {one['scored']:,})"


def _share(of: Mapping[str, Any], name: str) -> str:
    """A share with the interval that it has (pass@k alone) and the number of prompts, captions or items that it is of."""
    if of.get(name) is None:
        return percent(None)
    n = next((of[one] for one in ("captions", "prompts", "items") if one in of), None)
    said = [f"{100 * of['low']:.1f} to {100 * of['high']:.1f}"] if name == "pass_at_k" and "low" in of else []
    said += [f"n {n:,}"] if n is not None else []
    return f"{percent(of[name])} ({', '.join(said)})" if said else percent(of[name])


def _delta(one: Mapping[str, Any] | None) -> str:
    return "" if not one else f"{signed(one['delta'])} ({signed(one['low'])} to {signed(one['high'])})"


def _controls(facts: Facts) -> Iterator[str]:
    if not facts.controls:
        return
    yield from ("Controls, trained beside the rounds and judged by the same gate, never promoted:", "")
    apart = facts.published.get("champion_minus", {})
    rows = [
        [
            plain(name),
            "promote" if one["decision"]["promote"] else "refuse",
            _delta(one["decision"].get("delta")),
            _delta(apart.get(name, {}).get("delta")),
        ]
        for name, one in sorted(facts.controls.items())
    ]
    yield from table(("Control", "The gate would", "Its difference", "This version minus it"), rows)
    yield ""


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
