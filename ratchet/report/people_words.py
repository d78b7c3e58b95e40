"""People's labels in sentences and cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ratchet.report.people import AgreedView, OverruledView, PeopleView
from ratchet.report.view import Estimate, RoundView
from ratchet.report.words import percent, plural, rate_range


def labelled(view: PeopleView) -> str:
    """How much people said."""
    who = "one person" if view.authors == 1 else f"{view.authors} people"
    unsure = f"; {plural(view.unsure, 'label')} unsure" if view.unsure else ""
    return f"{plural(view.labels, 'label')} of {plural(view.answers, 'answer')} by {who}{unsure}."


def overruled(view: PeopleView) -> str:
    """How often they contradict a verdict."""
    if not view.overrules:
        return "No label contradicts a verdict."
    more = f"; the newest {len(view.overruled)} are below" if view.overrules > len(view.overruled) else ""
    says = "label contradicts" if view.overrules == 1 else "labels contradict"
    return f"{view.overrules} {says} a verdict, or say that it must not stand{more}. The verdicts stand as they were."


def rate(one: AgreedView) -> Estimate | None:
    """The share on which both agree; None where they never both decided."""
    return Estimate(value=one.agree / one.n, low=one.low, high=one.high, n=one.n) if one.n else None


def decided(one: OverruledView) -> str:
    """What was decided, and by whom."""
    words = {True: "passed", False: "failed", None: "undecided"}
    said = ", ".join(f"{name} {words[passed]}" for name, passed in sorted(one.said.items()))
    return f"{words[one.verdict]} ({said})" if said else words[one.verdict]


def terminal_lines(rounds: Sequence[RoundView]) -> Iterator[str]:
    """A line for each round that people labelled."""
    for shown in rounds:
        if shown.people is not None:
            found = rate(shown.people.agreed[0])
            agree = (
                f" The verdict agrees on {percent(found.value)} ({rate_range(found)}, n {found.n})." if found else ""
            )
            yield f"Round {shown.number}, people: {labelled(shown.people)}{agree} {overruled(shown.people)}"
