"""Where a model comes from, drawn: in a round from its seed over its data to its candidate, in a loop from version to version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ratchet.report.sentences import state_word
from ratchet.report.svg import tag, text
from ratchet.report.view import LoopView, RoundView
from ratchet.report.words import capital, plural

WIDE, HIGH = 146.0, 62.0
GAP = 32.0
STEP = WIDE + GAP
ROW = 118.0
EDGE = 2.0
SHOWN = 10
"""Characters of a digest."""


@dataclass(frozen=True)
class Node:
    """A box in a column and row: what it is, a line about it, and the digest of its content."""

    column: float
    row: int
    name: str
    about: str
    digest: str | None
    kind: str = "stage"

    @property
    def x(self) -> float:
        return EDGE + self.column * STEP

    @property
    def y(self) -> float:
        return EDGE + self.row * ROW

    @property
    def drawn(self) -> Markup:
        words = [
            text(self.x + 10, self.y + 19, _short(self.name), "name"),
            text(self.x + 10, self.y + 36, _short(self.about, 24), "small"),
            text(self.x + 10, self.y + 52, self.digest[:SHOWN] if self.digest else "", "code"),
        ]
        box = tag("rect", x=self.x, y=self.y, width=WIDE, height=HIGH, rx=5, class_=f"node {self.kind}")
        whole = tag("title", f"{self.name}: {self.about}" + (f", digest {self.digest}" if self.digest else ""))
        return tag("g", whole, box, *words)


def round_graph(shown: RoundView) -> Markup:
    """One round: the data in the upper row, the models in the lower one."""
    stages = {stage.name: stage for stage in shown.stages}

    def stage(name: str, column: int, row: int, unit: str) -> Node:
        found = stages.get(name)
        about = plural(found.rows, unit) if found else "not reached"
        return Node(
            column, row, capital(name), about, found.content_digest if found else None, "" if found else "absent"
        )

    gate = stages.get("promote")
    prompts = Node(0, 0, "Prompts", "what is asked", shown.prompts_digest)
    seed = Node(0, 1, "Seed", f"version {shown.seed_version or '–'}", shown.seed_digest, "model")
    generate, verify = stage("generate", 1, 0, "prompt"), stage("verify", 2, 0, "group")
    filter_, train = stage("filter", 3, 0, "group"), stage("train", 3, 1, "step")
    name = f"version {shown.candidate_version}" if shown.candidate_version else "not registered"
    kind = "model" if shown.candidate_digest else "absent"
    candidate = Node(4, 1, "Candidate", name if shown.candidate_digest else "not reached", shown.candidate_digest, kind)
    evaluate = stage("evaluate", 4, 0, "answer")
    decided = Node(5, 0, "Gate", state_word(shown), gate.content_digest if gate else None, "" if gate else "absent")
    promoted = shown.state == "PROMOTED"
    after = shown.candidate_version if promoted else shown.seed_version
    digest = shown.candidate_digest if promoted else shown.seed_digest
    champion = Node(5, 1, "Champion", f"version {after or '–'}, {'new' if promoted else 'as before'}", digest, "winner")
    across = [(prompts, generate), (generate, verify), (verify, filter_), (seed, train), (train, candidate)]
    edges = [_across(a, b) for a, b in [*across, (evaluate, decided), *([(candidate, champion)] if promoted else [])]]
    edges += [_up(seed, generate), _down(filter_, train), _up(candidate, evaluate), _down(decided, champion)]
    edges.append(_around(seed, evaluate))
    nodes = [prompts, seed, generate, verify, filter_, train, candidate, evaluate, decided, champion]
    return _graph(nodes, edges, 6, 1, _told_round(shown))


def loop_graph(view: LoopView) -> Markup:
    """The champions in the upper row, and below them the candidates that did not become one."""
    if not view.rounds:
        return Markup("")
    first = view.rounds[0]
    head = Node(0, 0, f"Version {first.seed_version or '–'}", "the seed", first.seed_digest, "model")
    nodes, edges = [head], []
    for column, shown in enumerate(view.rounds, start=1):
        promoted = shown.state == "PROMOTED"
        name = f"Version {shown.candidate_version}" if shown.candidate_version else "No candidate"
        about = f"round {shown.number}, {state_word(shown)}"
        kind = "winner" if promoted else "model" if shown.candidate_version else "absent"
        node = Node(column, 0 if promoted else 1, name, about, shown.candidate_digest, kind)
        edges.append(_across(head, node) if promoted else _branch(head, node))
        nodes.append(node)
        head = node if promoted else head
    return _graph(nodes, edges, len(view.rounds) + 1, max(n.row for n in nodes), _told_loop(view))


def _graph(nodes: Sequence[Node], edges: Sequence[Markup], columns: int, rows: int, label: str) -> Markup:
    width = columns * STEP - GAP + 2 * EDGE
    height = rows * ROW + HIGH + 2 * EDGE + (24 if rows else 0)
    size: dict[str, str | float] = {"viewBox": f"0 0 {width:g} {height:g}", "width": width, "height": height}
    drawn = tag("svg", *edges, *(node.drawn for node in nodes), **size)
    scroll = tag("div", drawn, class_="scroll", tabindex="0", role="img", aria_label=label)
    return tag("div", scroll, class_="chart lineagegraph")


def _line(path: str, head: str, thin: bool = False) -> Markup:
    return tag("path", d=path, class_="edge thin" if thin else "edge") + tag("path", d=head, class_="head")


def _right(x: float, y: float) -> str:
    return f"M{x:g} {y:g}l-7 -4v8z"


def _across(a: Node, b: Node) -> Markup:
    y = a.y + HIGH / 2
    return _line(f"M{a.x + WIDE:g} {y:g}H{b.x - 2:g}", _right(b.x, y))


def _down(a: Node, b: Node) -> Markup:
    x = a.x + WIDE / 2
    return _line(f"M{x:g} {a.y + HIGH:g}V{b.y - 2:g}", f"M{x:g} {b.y:g}l-4 -7h8z")


def _up(a: Node, b: Node) -> Markup:
    """From a lower box to an upper one, which may stand to its right."""
    start, end = (a.x + WIDE / 2, b.x + WIDE / 2)
    turn = (a.y + b.y + HIGH) / 2
    return _line(f"M{start:g} {a.y:g}V{turn:g}H{end:g}V{b.y + HIGH + 2:g}", f"M{end:g} {b.y + HIGH:g}l-4 7h8z")


def _branch(a: Node, b: Node) -> Markup:
    """From a champion down to a candidate that was not promoted."""
    start, y = a.x + WIDE / 2, b.y + HIGH / 2
    return _line(f"M{start:g} {a.y + HIGH:g}V{y:g}H{b.x - 2:g}", _right(b.x, y), thin=True)


def _around(a: Node, b: Node) -> Markup:
    """From the seed below everything to where it is measured beside the candidate."""
    start, low, turn, y = a.x + WIDE / 2, a.y + HIGH + 16, b.x - GAP / 2, b.y + HIGH - 16
    path = f"M{start:g} {a.y + HIGH:g}V{low:g}H{turn:g}V{y:g}H{b.x - 2:g}"
    return _line(path, _right(b.x, y), thin=True)


def _short(words: str, most: int = 19) -> str:
    return words if len(words) <= most else f"{words[: most - 1]}…"


def _told_round(shown: RoundView) -> str:
    told = [f"Lineage of round {shown.number}: seed version {shown.seed_version or 'unknown'}{_of(shown.seed_digest)}"]
    told += [f"{stage.name}{_of(stage.content_digest)}" for stage in shown.stages]
    if shown.candidate_digest:
        told.append(f"candidate version {shown.candidate_version or 'unregistered'}{_of(shown.candidate_digest)}")
    return ", ".join(told) + f": {state_word(shown)}."


def _told_loop(view: LoopView) -> str:
    told = [
        f"round {r.number} {state_word(r)} {f'version {r.candidate_version}' if r.candidate_version else 'nothing'}"
        for r in view.rounds
    ]
    return f"Versions from seed version {view.rounds[0].seed_version or 'unknown'}: {', '.join(told)}."


def _of(digest: str | None) -> str:
    return f" ({digest[:SHOWN]})" if digest else ""
