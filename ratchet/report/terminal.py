"""The report in a terminal: a row per round, the skills, the controls. Fits 100 columns, and folds intervals at 80."""

from __future__ import annotations

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from ratchet.report import organising_words, people_words
from ratchet.report.collection_words import terminal_lines
from ratchet.report.sentences import breakdown, headline, state_word
from ratchet.report.view import Estimate, LoopView, RoundView
from ratchet.report.words import (
    MISSING,
    bounds,
    delta_range,
    finite,
    number,
    percent,
    printable,
    signed,
    thousands,
)

_STATE_STYLES = {
    "PROMOTED": "bold cyan",
    "REFUSED": "yellow",
    "PENDING": "bold magenta",
    "STALE": "magenta",
    "STOPPED": "bold yellow",
    "FAILED": "bold red",
    "RUNNING": "dim",
}
# A mark of its own beside the word, as in the HTML report.
_STATE_MARKS = {
    "PROMOTED": "●",
    "REFUSED": "◇",
    "PENDING": "‖",
    "STALE": "□",
    "STOPPED": "■",
    "FAILED": "×",
    "RUNNING": "○",
}


def round_table(view: LoopView) -> Table:
    """One row per round: the candidate's numbers, its difference to the champion, and what became of it."""
    k = next((m.k for r in view.rounds if (m := r.candidate) is not None and m.k), None)
    table = _table("Rounds: the candidate on the round's holdout, against the champion")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("accuracy", justify="right", min_width=9)
    table.add_column("delta", justify="right", min_width=11)
    _columns(table, "CHAIR_i", "POPE F1", f"pass@{k or 'k'}", "kept", justify="right")
    table.add_column("decision", no_wrap=True)
    table.add_column("time", justify="right")
    for shown in view.rounds:
        table.add_row(*_round_cells(shown))
    return table


def _round_cells(shown: RoundView) -> list[Text]:
    candidate = shown.candidate
    state = f"{_STATE_MARKS[shown.state]} {state_word(shown)}"
    return [
        Text(str(shown.number), style="bold"),
        _rate(candidate.accuracy if candidate else None),
        _delta(shown.delta),
        *(Text(percent(getattr(candidate, name, None))) for name in ("chair_i", "pope_f1", "pass_at_k")),
        Text(thousands(shown.kept)),
        Text(state, style=_STATE_STYLES[shown.state]),
        Text(_clock(shown.seconds)),
    ]


def skill_table(view: LoopView) -> Table | None:
    """Seed against champion by skill on the report items; None before they were measured."""
    seed, final = view.seed, view.final
    if seed is None or final is None:
        return None
    deltas = view.champion.skill_deltas if view.champion else {}
    whole = view.champion.delta_to_seed if view.champion else None
    table = _table("Skills: seed and champion on the report items")
    table.add_column("skill", no_wrap=True, overflow="ellipsis", max_width=24)
    _columns(table, "seed", "champion", "delta", "items", justify="right")
    table.add_row(*_skill_cells("all", seed.accuracy, final.accuracy, whole))
    for skill in dict.fromkeys([*seed.per_skill, *final.per_skill]):
        cells = _skill_cells(skill, seed.per_skill.get(skill), final.per_skill.get(skill), deltas.get(skill))
        table.add_row(*cells)
    return table


def _skill_cells(name: str, before: Estimate | None, after: Estimate | None, change: Estimate | None) -> list[Text]:
    items = next((e.n for e in (after, before) if e is not None), None)
    return [Text(printable(name)), _rate(before), _rate(after), _delta(change), Text(thousands(items))]


def control_table(view: LoopView) -> Table | None:
    """The control arms beside the champion; None without controls."""
    if not view.controls:
        return None
    table = _table("Controls: judged by the same gate, never promoted, spending none of its error")
    table.add_column("model", no_wrap=True, overflow="ellipsis", max_width=28)
    _columns(table, "accuracy", "delta to seed", "champion minus it", justify="right")
    table.add_column("gate", no_wrap=True)
    if view.champion is not None:
        name = f"champion, version {printable(view.champion.version)}"
        accuracy = view.final.accuracy if view.final else None
        table.add_row(Text(name, style="bold"), _rate(accuracy), _delta(view.champion.delta_to_seed), "", "")
    for c in view.controls:
        decided = Text(f"would {c.decision}")
        table.add_row(
            Text(printable(c.title)), _rate(c.measured.accuracy), _delta(c.delta), _delta(c.champion_minus), decided
        )
    return table


def print_loop(view: LoopView, console: Console) -> None:
    """The headline, the rounds, the skills and the controls."""
    console.print(Text(printable(headline(view)), style="bold"))
    tables = [round_table(view) if view.rounds else None, skill_table(view), control_table(view)]
    for table in tables:
        if table is not None:
            console.print()
            console.print(table)
    if any(bounds(e) for e in _shown(view)):
        console.print(Text("Deltas in points; ranges are 95% intervals.", style="dim"))
    lines = (terminal_lines, organising_words.terminal_lines, people_words.terminal_lines)
    for words in [words for told in lines for words in told(view.rounds)]:
        console.print(Text(printable(words)))
    for shown in view.rounds:
        for words in shown.later:
            console.print(Text(printable(f"Round {shown.number}, afterwards. {words}"), style="yellow"))
    for note in view.notes:
        console.print(Text(f"Note. {printable(note)}", style="dim"))
    for shown in view.rounds:
        if words := breakdown(shown):
            console.print(Text(printable(words), style="red"))


def _shown(view: LoopView) -> list[Estimate | None]:
    return [r.delta for r in view.rounds] + [c.delta for c in view.controls] + [m.accuracy for m in (view.seed,) if m]


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="dim", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )


def _columns(table: Table, *names: str, justify: JustifyMethod) -> None:
    for name in names:
        table.add_column(name, justify=justify)


def _clock(seconds: float | None) -> str:
    """Wall time without spaces, so that a narrow table doesn't break it: 8.2s, 3m05s, 1h12m."""
    if (known := finite(seconds)) is None:
        return MISSING
    whole = round(known)
    if whole < 60:
        return f"{known:.1f}s"
    return f"{whole // 60}m{whole % 60:02d}s" if whole < 3600 else f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def _rate(estimate: Estimate | None) -> Text:
    """A rate, and its interval behind a space, where the cell may break."""
    if estimate is None:
        return Text(MISSING)
    ends = bounds(estimate)
    return _with_range(percent(estimate.value), f"{number(ends[0])}–{number(ends[1])}" if ends else "")


def _delta(estimate: Estimate | None) -> Text:
    if estimate is None:
        return Text(MISSING)
    return _with_range(signed(estimate.value), delta_range(estimate).replace(" to ", "…"))


def _with_range(value: str, interval: str) -> Text:
    text = Text(value, style="bold")
    if interval:
        text.append(f" {interval}", style="not bold dim")
    return text
