"""A comparison in tables, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterator

from ratchet.report.tables import Table
from ratchet.report.words import percent, printable, signed
from ratchet.versions.result import LOWER_IS_BETTER, Comparison, Flip, Line

SHORT = 60


def headline(found: Comparison) -> str:
    """What came out, in a sentence."""
    first = found.lines[0]
    if first.delta is None:
        return "No item has a verdict for both versions"
    low, high = first.delta.low, first.delta.high
    what = "is better" if low > 0 else "is worse" if high < 0 else "cannot be told from"
    end = f" than {found.a}" if low > 0 or high < 0 else f" {found.a}"
    return f"{found.b} {what}{end}: {signed(first.delta.delta)} points ({signed(low)} to {signed(high)}), n {first.n:,}"


def tables(found: Comparison) -> Iterator[Table]:
    head = ("", f"A: {printable(found.a)}", f"B: {printable(found.b)}", "B minus A, points", "95%", "n")
    yield Table("Figures", head, [row(one) for one in found.lines])
    kinds = [[name, f"{n:,}"] for name, n in found.counts.items()]
    if found.unscored:
        kinds.append(["without a verdict for one or both", f"{found.unscored:,}"])
    yield Table("What became of the items", ("", "items"), kinds)


def flips_table(found: Comparison, most: int = 10) -> Iterator[Table]:
    """Some flips of each kind, for a terminal."""
    for kind in ("right to wrong", "wrong to right"):
        some = [flip for flip in found.flips if flip.kind == kind]
        if some:
            title = f"{kind.capitalize()}, {min(most, len(some))} of {found.counts[kind]:,}"
            yield Table(
                title, ("skill", "question", "reference", "A", "B"), [_flip(one) for one in some[:most]], left=5
            )


def row(one: Line) -> list[str]:
    words = f"{printable(one.name)}{' (lower is better)' if one.name in LOWER_IS_BETTER else ''}"
    if one.delta is None:
        change = "" if one.a is None or one.b is None else signed(one.b - one.a)
        return [words, percent(one.a), percent(one.b), change, "", f"{one.n:,}"]
    ends = f"{signed(one.delta.low)} to {signed(one.delta.high)}"
    return [words, percent(one.a), percent(one.b), signed(one.delta.delta), ends, f"{one.n:,}"]


def _flip(one: Flip) -> list[str]:
    texts = (one.skill, one.question, one.reference or "", one.a, one.b)
    return [printable(" ".join(text.split()))[:SHORT] for text in texts]
