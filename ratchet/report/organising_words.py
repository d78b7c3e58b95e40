"""Verification, audit, alarms and filtering in whole sentences, and in a line each for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ratchet.filter.decisions import BANDS
from ratchet.recipe.audit import COMBINED
from ratchet.report.organising import AlarmsView, FilteringView, PairView, SaidView, SpentView, VerificationView
from ratchet.report.view import Estimate, RoundView
from ratchet.report.words import listed, percent, plural, thousands
from ratchet.verify.audit.result import COIN, CONSTANT, Audited, AuditResult, Share

POLICIES = {
    "all": "all verifiers must pass",
    "mean": "the mean score must reach the threshold",
    "weighted": "the weighted mean score must reach the threshold",
    "none": "everything passes unchecked",
}
TRUTHS = {
    "prompt": "what the prompts' own verifiers say of their reference",
    "world": "the tiny world itself",
    "labels": "a file of labels",
}
BASELINES = {CONSTANT: "passes everything", COIN: "a coin"}
WEAK_KAPPA = 0.4
"""Below it agreement is at most fair (Landis and Koch, 1977)."""


def verified(shown: VerificationView) -> str:
    """How verdicts became judgements, and how many rest on one verifier."""
    said = f"By policy {shown.policy}: {POLICIES.get(shown.policy, shown.policy)}."
    if len(shown.verifiers) < 2 or not shown.judged:
        return said
    alone = [(one.decided_alone, one.name) for one in shown.verifiers if one.decided_alone]
    shares = [f"{name} {percent(number / shown.judged)}" for number, name in sorted(alone, reverse=True)]
    if not shares:
        return f"{said} No verifier decided anything by itself."
    return f"{said} Of {plural(shown.judged, 'own answer')} one verifier decided by itself: {listed(shares)}."


def reasons(shown: SaidView) -> str:
    """Why, most often first."""
    return ", ".join(
        f"{name.replace('_', ' ')} {n:,}" for name, n in sorted(shown.reasons.items(), key=lambda one: -one[1])
    )


def agreed(shown: VerificationView) -> str:
    """The pair that agrees least beyond chance; empty without pairs."""
    if not shown.pairs:
        return ""
    known = [pair for pair in shown.pairs if pair.kappa is not None]
    if not known:
        return "Of every two verifiers one gave one answer only, so chance cannot be taken out of their agreement."
    worst = min(known, key=lambda pair: (pair.kappa, -pair.disagree))
    said = f"Least agree {worst.left} and {worst.right}: {pair_words(worst)}."
    weak = sum((pair.kappa or 0) < WEAK_KAPPA for pair in known)
    if weak > 1:
        said += (
            f" {weak} of {plural(len(known), 'pair')} agree little more than chance would (kappa below {WEAK_KAPPA:g})."
        )
    return said


def pair_words(pair: PairView) -> str:
    """How two verifiers agree: "81.0% of 1,200, kappa 0.55; 40 passed by exact alone"."""
    beyond = "no kappa, for one of them gave one answer only" if pair.kappa is None else f"kappa {pair.kappa:.2f}"
    alone = [
        f"{n:,} passed by {name} alone" for name, n in ((pair.left, pair.only_left), (pair.right, pair.only_right)) if n
    ]
    return f"{percent(pair.agree / pair.both)} of {pair.both:,}, {beyond}{'; ' + listed(alone) if alone else ''}"


def asked(spent: SpentView) -> str:
    """What a judge was asked and what it cost."""
    said = f"Judge {spent.judge} was asked {plural(spent.calls, 'time')}"
    if spent.cached:
        said += f" ({thousands(spent.cached)} replies recalled)"
    if spent.failed:
        said += f", {thousands(spent.failed)} of them in vain"
    cost = f", for {spent.cost:,.4g} by the recipe's prices" if spent.cost else ""
    return f"{said}: {thousands(spent.tokens_in)} tokens read, {thousands(spent.tokens_out)} written{cost}."


def estimate(share: Share) -> Estimate | None:
    """A share as the charts take it; None where there are no items."""
    return None if share.share is None else Estimate(value=share.share, low=share.low, high=share.high, n=share.n)


def is_baseline(one: Audited) -> bool:
    return one.family == "baseline"


def audited_name(one: Audited) -> str:
    """A verifier as a reader knows it."""
    return "combined, by the policy" if one.verifier == COMBINED else BASELINES.get(one.verifier, one.verifier)


def on_what(audit: AuditResult) -> str:
    """The slice on which verifiers were measured."""
    models = f" by {listed(list(audit.models))}" if audit.models else ""
    return (
        f"On {plural(audit.prompts, audit.split + ' prompt')} with {plural(audit.answers, 'answer')}{models}, k {audit.k} at "
        f"temperature {audit.temperature:g}. What is right is said by {TRUTHS[audit.truth]}."
    )


def no_better(audit: AuditResult) -> str:
    """Which verifiers cannot be told from passing everything, and which could not be measured."""
    measured = [one for one in audit.verifiers if not is_baseline(one)]
    compared = [one for one in measured if not one.is_truth and one.precision.share is not None]
    unknown = [audited_name(one) for one in measured if not one.is_truth and one.precision.share is None]
    weak = [audited_name(one) for one in compared if not one.better_than_constant]
    said = []
    if weak:
        said.append(f"No better than passing everything, as far as these answers can tell: {listed(weak)}.")
    elif compared:
        said.append("Every verifier that was measured is better than passing everything.")
    if unknown:
        said.append(f"Passed nothing, so that its precision is not known: {listed(unknown)}.")
    truth = [audited_name(one) for one in measured if one.is_truth]
    if truth:
        said.append(f"Right by definition, since it is part of the truth here: {listed(truth)}.")
    return " ".join(said)


def probes(one: Audited) -> list[str]:
    """References taken and corrupted references refused: "gold taken 50 of 50", "corrupted refused 97 of 100"."""
    passed, made = (sum(getattr(form, of) for form in one.forms.values()) for of in ("passed", "n"))
    counts = (
        ("gold taken", one.gold.passed, one.gold.n),
        ("in other words", passed, made),
        ("corrupted refused", one.corrupted.rejected, one.corrupted.n),
    )
    return [f"{words} {part:,} of {whole:,}" for words, part, whole in counts if whole]


def biases(one: Audited) -> str:
    """The biases whose interval leaves zero out."""
    found = []
    if one.length_bias is not None and one.length_bias.there and one.length_bias.value is not None:
        found.append(f"{'longer' if one.length_bias.value > 0 else 'shorter'} wrong answers pass more often")
    if one.self_preference is not None and one.self_preference.there and one.self_preference.value is not None:
        found.append(f"{'its own' if one.self_preference.value > 0 else 'the other'} model's answers pass more often")
    if one.order_bias is not None and one.order_bias.share:
        found.append(f"{percent(one.order_bias.share)} of comparisons flip with the order")
    return "; ".join(found)


def alarmed(shown: AlarmsView) -> str:
    """How many alarms were raised, and what they are compared with."""
    with_what = (
        f"Drifts are measured against {'round' if len(shown.compared_with) == 1 else 'rounds'} "
        f"{listed([str(n) for n in shown.compared_with])}."
        if shown.compared_with
        else "There is no earlier round to compare with, so drifts are silent."
    )
    if not shown.raised:
        return f"None fired {listed(list(shown.moments))}. {with_what}"
    stops = sum(one.alarm.action == "stop" for one in shown.raised)
    said = f"{plural(len(shown.raised), 'alarm')} fired" + (f", {stops} of them to stop the round" if stops else "")
    return f"{said}. {with_what}"


def filtered(shown: FilteringView) -> str:
    """What the kept rows are for."""
    uses = [f"{number:,} for {use.replace('rl', 'RL').replace('sft', 'SFT')}" for use, number in shown.uses.items()]
    said = f"Of the kept rows {listed(uses)}." if uses else ""
    if shown.pairs:
        said += f" They hold {plural(shown.pairs, 'pair')}."
    mended = [f"{n:,} {name.replace('_', ' ')}" for name, n in shown.mended.items() if n]
    if mended:
        said += f" Pairs mended or left out: {listed(mended)}."
    if again := sum(shown.replayed.values()):
        of = f"{'round' if len(shown.replayed) == 1 else 'rounds'} {listed(list(shown.replayed))}"
        share = percent(again / (shown.kept + again))
        said += f" Beside them {plural(again, 'row')} of {of} {'is' if again == 1 else 'are'} learned from again, {share} of all."
    return said.strip()


def heat_columns(table: dict[str, dict[str, int]]) -> list[str]:
    """Columns of a heat table in a sensible order: bands from easy to hard, else by name."""
    return [band for band in BANDS if band in table] if set(table) <= set(BANDS) else sorted(table)


def heat_rows(table: dict[str, dict[str, int]]) -> list[str]:
    """Reasons that occur, most often first."""
    total: dict[str, int] = {}
    for counts in table.values():
        for name, number in counts.items():
            if name not in ("rows", "kept"):
                total[name] = total.get(name, 0) + number
    return sorted(total, key=lambda name: (-total[name], name))


def terminal_lines(rounds: Sequence[RoundView], last: int = 3) -> list[str]:
    """A line each for audit and alarms of the last rounds."""
    return [line for shown in rounds[-last:] for line in _lines(shown)]


def _lines(shown: RoundView) -> Iterator[str]:
    if shown.audit is not None:
        yield f"Round {shown.number} audit: {audit_line(shown.audit)}"
    if shown.alarms is not None:
        names = [f"{one.alarm.name} ({one.alarm.action})" for one in shown.alarms.raised]
        yield f"Round {shown.number} alarms: {listed(names) or f'none of {len(shown.alarms.watched)} fired'}."


def audit_line(audit: AuditResult) -> str:
    """Precision of each verifier, and which is no better than a constant."""
    known = [one for one in audit.verifiers if not is_baseline(one) and one.precision.share is not None]
    parts = [f"{one.verifier} {percent(one.precision.share)}" for one in known if not one.is_truth]
    base = next((one.base_rate.share for one in known if one.base_rate.share is not None), None)
    right = f" ({percent(base)} of the answers are right)" if base is not None else ""
    measured = f"precision {', '.join(parts)}{right}; " if parts else ""
    said = no_better(audit)
    return f"{measured}{said[:1].lower()}{said[1:]}"
