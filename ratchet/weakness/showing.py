"""A report on weaknesses as rows of text, for the terminal and the page alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ratchet.report.tables import Table
from ratchet.report.words import printable
from ratchet.weakness.report import Confusion, Slice, Weakness

SLICES = ("part", "wrong", "95%", "of", "unscored")
PAIRS = ("skill", "right answer", "said instead", "times", "of", "share", "95%")


def heading(found: Weakness) -> str:
    """What was measured, in a sentence."""
    one = found.overall
    share = "nothing could be judged" if one.error is None else f"{_percent(one.error)} wrong ({_range(one)})"
    aside = [
        f"{n:,} {words}" for n, words in ((found.unanswered, "without an answer"), (one.unscored, "unscored")) if n
    ]
    return (
        f"{found.model.label} on {found.asked:,} validation prompts of set {found.prompts[:12]}: {share}"
        f"{', ' + ' and '.join(aside) if aside else ''}."
    )


def tables(found: Weakness) -> Iterator[Table]:
    """All there is, the weakest part first. What cannot be told apart from another is so all the same: see 95%."""
    for title, slices in (
        ("By skill", found.skills),
        ("By skill and difficulty", found.cells if any(one.band is not None for one in found.cells) else ()),
        ("By kind of question", found.kinds),
        ("By verifier", found.verifiers),
    ):
        if slices:
            yield Table(title, SLICES, [part(one, found.bands) for one in _worst_first(slices)])
    if found.confusions:
        yield Table("Most frequent confusions", PAIRS, [pair(one) for one in found.confusions], left=3)


def part(one: Slice, bands: int) -> list[str]:
    name = printable(one.name) if one.band is None else f"{printable(one.name)}, band {one.band + 1} of {bands}"
    wrong = "" if one.error is None else _percent(one.error)
    return [name, wrong, _range(one) if one.n else "", f"{one.n:,}", f"{one.unscored:,}" if one.unscored else ""]


def pair(one: Confusion) -> list[str]:
    said = printable(one.said) or "(nothing)"
    return [
        printable(one.skill),
        printable(one.reference),
        said,
        str(one.n),
        str(one.of),
        _percent(one.share),
        _range(one),
    ]


def _worst_first(slices: Sequence[Slice]) -> list[Slice]:
    return sorted(slices, key=lambda one: (one.error is None, -(one.error or 0.0), one.name, one.band or 0))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _range(one: Slice | Confusion) -> str:
    return f"{100 * one.low:.1f} to {100 * one.high:.1f}"
