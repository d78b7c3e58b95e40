"""An audit for people: a row of cells for each verifier, and one sentence on who knows no more than a constant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ratchet.verify.audit.result import Audited, AuditResult, Difference, Probed, Share

RIGHTS = ("verifier", "from", "accepts gold", "in other words", "rejects corrupted", "precision (95%)", "recall (95%)")
BIASES = ("verifier", "ranks right first", "order bias", "length bias", "own answers", "unscored", "tokens", "ms")
NONE = "-"
_TRUTHS = {
    "prompt": "the verifiers that the prompts name",
    "world": "the world's oracle, which looks at the scene",
    "labels": "the labels given",
}


def rights(one: Audited) -> list[str]:
    """How often a verifier is right, as RIGHTS names its cells. Shares are in per cent, with their intervals."""
    forms = summed(one.forms.values())
    return [
        one.verifier,
        one.family,
        rate(one.gold.passed, one.gold),
        rate(forms.passed, forms),
        rate(one.corrupted.rejected, one.corrupted),
        "is the truth" if one.is_truth else interval(one.precision),
        "" if one.is_truth else interval(one.recall),
    ]


def biases(one: Audited) -> list[str]:
    """What it ranks, prefers and costs, as BIASES names its cells. Biases are in points; tokens and milliseconds a verdict."""
    return [
        one.verifier,
        NONE if one.is_truth else interval(one.ranking),
        NONE if one.order_bias is None else interval(one.order_bias),
        bias(one.length_bias),
        bias(one.self_preference),
        f"{one.answers.unscored}/{one.answers.n}",
        f"{one.tokens_per_verdict:.3g}",
        NONE if one.seconds_per_verdict is None else f"{1000 * one.seconds_per_verdict:.3g}",
    ]


def on_what(found: AuditResult) -> str:
    """What was measured, in one sentence."""
    base = next((one.base_rate for one in found.verifiers if one.family == "baseline"), Share())
    right = f", {interval(base)} per cent of them right" if base.share is not None else ""
    return (
        f"{found.prompts} {found.split} prompts with {found.answers} answers ({', '.join(found.models) or 'none'}){right} by "
        f"{_TRUTHS[found.truth]}."
    )


def no_better(found: AuditResult) -> str:
    """One sentence: which verifiers pass nothing but what everything-passes passes just as well."""
    measured = [one for one in found.verifiers if one.family != "baseline"]
    weak = [one.verifier for one in measured if not one.better_than_constant]
    if not weak:
        return "Every verifier is better than a constant that passes everything."
    plural = len(weak) > 1
    return (
        f"{_listed(weak)} {'are' if plural else 'is'} no better than a constant that passes everything, as far as this audit can "
        f"tell: the interval of {'their' if plural else 'its'} precision does not lie above the share of right answers."
    )


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rate(hits: int, probed: Probed) -> str:
    return f"{hits}/{probed.n}" if probed.n else NONE


def interval(share: Share) -> str:
    """Per cent with the interval."""
    if share.share is None:
        return NONE
    return f"{100 * share.share:.1f} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def bias(difference: Difference | None) -> str:
    """Points with the interval."""
    if difference is None or difference.value is None:
        return NONE
    value, low, high = (100 * part for part in (difference.value, difference.low, difference.high))
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def summed(probed: Iterable[Probed]) -> Probed:
    found = list(probed)
    return Probed(
        n=sum(one.n for one in found),
        passed=sum(one.passed for one in found),
        unscored=sum(one.unscored for one in found),
    )


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
