"""What happened, in whole sentences: the loop's headline, a round's headline, what the gate tested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ratchet.filter.reasons import REASONS
from ratchet.report.view import ControlView, Estimate, LoopView, RoundView
from ratchet.report.words import (
    bounds,
    capital,
    delta_range,
    duration,
    finite,
    listed,
    percent,
    plural,
    points,
    probability,
    rate_words,
    thousands,
)

STATE_WORDS = {
    "PROMOTED": "promoted",
    "REFUSED": "refused",
    "PENDING": "pending",
    "STALE": "stale",
    "STOPPED": "stopped",
    "FAILED": "failed",
    "RUNNING": "running",
}
STATE_MEANS = {
    "PROMOTED": "the candidate became the champion",
    "REFUSED": "the gate kept the champion",
    "PENDING": "the gate would promote the candidate, and a person has yet to approve it",
    "STALE": "the champion changed meanwhile, so nothing was decided",
    "STOPPED": "an alarm or an audit ended the round on purpose, and the champion stays",
    "FAILED": "a stage broke off, so there was nothing to decide",
    "RUNNING": "the round has not ended",
}

INTERRUPTED = "interrupted"
"""A round that has not ended while no run works on it."""


def state_word(shown: RoundView) -> str:
    return INTERRUPTED if shown.stopped else STATE_WORDS[shown.state]


def state_means(shown: RoundView) -> str:
    return "the round stopped before its end, and can go on" if shown.stopped else STATE_MEANS[shown.state]


def states_met(rounds: Sequence[RoundView]) -> list[tuple[str, str, str]]:
    """For a legend: the mark, word and meaning of every state that occurs."""
    met = {state_word(r): (r.state.lower(), state_word(r), state_means(r)) for r in rounds}
    return [met[word] for word in (*STATE_WORDS.values(), INTERRUPTED) if word in met]


def gate_said(shown: RoundView) -> str:
    """What the gate decided in a round that came to no end, as a sentence."""
    if shown.gate is None:
        return "The gate has not decided."
    return "The gate said promote." if shown.gate == "promote" else f"The gate refused: {shown.gate}."


def headline(view: LoopView) -> str:
    """The loop in one or two sentences. Claims an improvement only when the interval is above zero."""
    if not view.rounds and view.champion is None:
        return "No round has run yet."
    if view.champion is None:
        return f"There is no champion yet: {tally(view)}."
    if view.champion.round is None and not view.champion.moved_by_person:
        return f"Nothing was promoted: the champion is still the seed, version {view.champion.version}. {_tail(view)}"
    opening = f"The champion is version {view.champion.version}{_made_by(view)}"
    delta = view.champion.delta_to_seed
    if view.champion.version == _seed_version(view):
        return f"{opening}. It is the seed."
    if delta is None or finite(delta.value) is None:
        return f"{opening}. It has not been compared with the seed on items that no decision has read."
    return f"{opening}: {_against_seed(delta)}"


def _made_by(view: LoopView) -> str:
    """Which round made the champion, and which person's move made it champion."""
    champion = view.champion
    if champion is None:
        return ""
    made = "" if champion.round is None else f", from round {champion.round}"
    if champion.move == "rollback":
        by = f" by {champion.by}" if champion.by else ""
        return f"{made}, champion again since a rollback{by}{f' ({champion.why})' if champion.why else ''}"
    return f"{made}, made champion by a move of the alias outside ratchet" if champion.move == "outside" else made


def _seed_version(view: LoopView) -> str | None:
    return view.rounds[0].seed_version if view.rounds else None


def _against_seed(delta: Estimate) -> str:
    where = (
        f"on {thousands(delta.n)} items that no decision has read" if delta.n else "on items that no decision has read"
    )
    ends = bounds(delta)
    if ends is None:
        return f"{points(delta.value)} to the seed {where}. Its interval is not known, so this proves nothing yet."
    interval = f"(95% interval {delta_range(delta)})"
    if ends[0] > 0:
        return f"{points(delta.value)} over the seed {interval} {where}."
    if ends[1] < 0:
        return f"{points(delta.value)} to the seed {interval} {where}. That is worse than the seed."
    return (
        f"{points(delta.value)} to the seed {interval} {where}. "
        "The interval includes zero: these items do not show an improvement."
    )


def _tail(view: LoopView) -> str:
    return f"{capital(tally(view))}." if view.rounds else "No round has run yet."


def tally(view: LoopView) -> str:
    """How the rounds ended: "3 rounds ran, 1 promoted, 1 refused and 1 failed"."""
    counts: Counter[str] = Counter(state_word(r) for r in view.rounds)
    ends = [f"{counts[word]} {word}" for word in (*STATE_WORDS.values(), INTERRUPTED) if counts[word]]
    return f"{plural(len(view.rounds), 'round')} ran, {listed(ends)}" if ends else "no round ran"


def standfirst(view: LoopView) -> str:
    """What the headline leaves unsaid of the rounds: how they ended, unless it says so, and how long they took."""
    took = "" if view.seconds is None else duration(view.seconds)
    champion = view.champion
    told = not view.rounds or champion is None or (champion.round is None and not champion.moved_by_person)
    if told:
        return f"It took {took}." if took and view.rounds else ""
    return f"{capital(tally(view))}{f' in {took}' if took else ''}."


def breakdown(shown: RoundView) -> str:
    """Why a round came to nothing: of one that failed, was stopped, or stands still before its end; empty for others."""
    if shown.state == "FAILED":
        return f"Round {shown.number} failed: {shown.reason}"
    if shown.state == "STOPPED":
        return f"Round {shown.number} was stopped on purpose: {shown.reason}"
    return f"Round {shown.number} {shown.reason}" if shown.stopped else ""


def round_headline(shown: RoundView) -> str:
    """One round in a sentence: how it ended, and by how much."""
    version = f"version {shown.candidate_version}" if shown.candidate_version else "its candidate"
    said = {
        "PROMOTED": f"promoted {version}",
        "REFUSED": f"refused {version}",
        "PENDING": f"holds {version} until a person approves it",
        "STALE": f"left {version} undecided, because the champion changed meanwhile",
        "STOPPED": "was stopped on purpose",
        "FAILED": "failed before the gate decided",
        "RUNNING": "has stopped before its end" if shown.stopped else "is still running",
    }[shown.state]
    return f"Round {shown.number} {said}{f': {compared(shown)}' if shown.delta else '.'}"


def compared(shown: RoundView) -> str:
    """The candidate against the champion on the round's holdout, as a sentence."""
    if shown.delta is None:
        return "The candidate was not compared with the champion."
    ends = delta_range(shown.delta)
    on = f" on {thousands(shown.delta.n)} holdout items" if shown.delta.n else ""
    interval = f" (95% interval {ends})" if ends else ""
    return f"{points(shown.delta.value)} against the champion{interval}{on}."


def measured(shown: RoundView) -> str:
    """Both models' accuracy on the round's holdout, as a sentence; empty if neither was measured."""
    if shown.candidate is None or shown.champion is None:
        return ""
    candidate = f"The candidate answered {rate_words(shown.candidate.accuracy)} right"
    return f"{candidate}, the champion {rate_words(shown.champion.accuracy)}."


def tested(shown: RoundView) -> str:
    """The test of the round: the p-value against the error spent at its look."""
    p, alpha = finite(shown.p_value), finite(shown.alpha_spent)
    if p is None:
        return (
            "No test was made, and no error was spent."
            if alpha is None
            else (f"No p-value is known; the look spent {probability(alpha)} of the gate's error.")
        )
    look = f"look {shown.look}" if shown.look is not None else "this look"
    said = f"Null hypothesis: {_null(shown)}. {_evidence(shown)}p = {probability(p)}"
    if alpha is not None and alpha <= 0:
        return (
            f"{said}, but the loop's error is used up: nothing is left for {look}, so nothing can be promoted, however good. "
            "Plan more rounds with new items, under another name."
        )
    if alpha is None:
        return f"{said}; what {look} may spend is not known."
    if p <= alpha:
        return f"{said}, at or below the {probability(alpha)} of error spent at {look}: rejected; chance alone would rarely do this."
    return f"{said}, above the {probability(alpha)} of error spent at {look}: not rejected; it may be chance."


def _null(shown: RoundView) -> str:
    if shown.null_gain > 0:
        return f"the candidate's true gain is at most {points(shown.null_gain).removeprefix('+')}"
    return "the candidate is not better"


def _evidence(shown: RoundView) -> str:
    """What a bet came to, before the p-value that it counts as."""
    if (grown := finite(shown.e_value)) is None:
        return ""
    return f"A bet against it grew by a factor of {grown:.3g}, which counts as "


def guarded(shown: RoundView) -> str:
    """How the guards ended, as a sentence; empty without guards."""
    if not shown.guards:
        return ""
    failed = [g.name for g in shown.guards if not g.passed]
    if not failed:
        return f"All {plural(len(shown.guards), 'guard')} passed." if len(shown.guards) > 1 else "The guard passed."
    return f"{plural(len(failed), 'guard')} of {len(shown.guards)} failed: {listed(failed)}."


def control_minus(control: ControlView) -> str:
    """The champion against a control, as a sentence; empty where it was not compared."""
    delta = control.champion_minus
    if delta is None or finite(delta.value) is None:
        return ""
    ends = bounds(delta)
    interval = f" (95% interval {delta_range(delta)})" if ends else ""
    said = f"Champion minus this control: {points(delta.value)}{interval}"
    if ends is None:
        return f"{said}."
    if ends[0] > 0:
        return f"{said}: the champion is better."
    return f"{said}: the control is better." if ends[1] < 0 else f"{said}: no difference is shown."


def kept_share(shown: RoundView) -> str:
    """How many of the prompts were kept, with answers to learn from, as a sentence; empty if unknown."""
    if not shown.prompts or shown.kept is None:
        return ""
    return f"{thousands(shown.kept)} of {thousands(shown.prompts)} prompts were kept ({percent(shown.kept / shown.prompts)})."


def reasons_met(rounds: Sequence[RoundView]) -> dict[str, str]:
    """The filter's reasons that occur, and what each means; a strategy's own reasons stand for themselves."""
    return {name: words for name, words in REASONS.items() if any(name in shown.drops for shown in rounds)}
