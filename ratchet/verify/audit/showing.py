"""An audit for people: two rows of cells for each verifier, for a terminal and for markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ratchet.verify.audit.result import Audited, Difference, Probed, Share

RIGHTS = ("verifier", "from", "accepts gold", "in other words", "rejects corrupted", "precision (95%)", "recall (95%)")
BIASES = ("verifier", "ranks right first", "order bias", "length bias", "own answers", "unscored", "tokens", "ms")
NONE = "-"


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
