"""What came after a round: moves of the alias that persons made, and their labels. It stands beside what was decided, which nothing
changes: a page that is there already gets these words and is otherwise left as it was, byte by byte, since what it was made from may
be gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ratchet.registry.base import Registry
from ratchet.registry.promotion import Done, Intent, Move, history
from ratchet.report.html import round_part
from ratchet.report.view import RoundView
from ratchet.store import Store

LATER = ("afterwards", "people", "people-link")
"""Parts of a round's page that may come after its end, each between two comments. No foreign text can look so: it is escaped."""
_FIRST = '<dl class="verdict">'
"""What a person's moves stand before in a page that is older than these comments."""


def moves_of(store: Store, loop: str, registry: Registry | None = None) -> list[Move]:
    """The loop's moves; with `registry`, also one of the alias that the log has not recorded yet."""
    moves = history(store, loop)
    if registry is None:
        return moves
    now = registry.champion(loop)
    found = now.version if now is not None else None
    last = next((m.done.champion for m in reversed(moves) if m.done is not None and m.done.moved), None)
    if found == last or not moves:
        return moves
    intent = Intent(
        kind="outside", name=loop, origin=last, target=found, by="unknown", reason="", key="", at=datetime.now(UTC)
    )
    done = Done(moved=True, champion=found, note="")
    return [*moves, Move(number=len(moves) + 1, intent=intent, done=done)]


def afterwards(moves: Sequence[Move], version: str | None) -> tuple[str, ...]:
    """A sentence for each move by which a person made `version` champion or put another in its place, in order."""
    said = []
    been = False
    for move in moves:
        if version is None or not move.moved:
            continue
        byhand = move.intent.kind in ("rollback", "outside")
        if byhand and move.intent.origin == version:
            said.append(_left(move.intent))
        elif byhand and move.intent.target == version:
            said.append(_made(move.intent, been))
        been = been or move.intent.target == version
    return tuple(said)


def retold(page: str, shown: RoundView) -> str:
    """The round's page with what is known by now of what became of its candidate, and of what people said of its answers."""
    if shown.later and comments("afterwards")[0] not in page:
        page = page.replace(_FIRST, "".join((*comments("afterwards"), _FIRST)), 1)
    for part in LATER:
        page = _with(page, part, shown)
    return page


def comments(part: str) -> tuple[str, str]:
    """What stands before and after a part that may come later."""
    return f"<!-- {part} -->", f"<!-- /{part} -->"


def _with(page: str, part: str, shown: RoundView) -> str:
    begin, end = comments(part)
    before, there, rest = page.partition(begin)
    if not there:
        return page
    told = round_part(part.replace("-", "_") + ".html.j2", shown)
    return f"{before}{begin}{told}{end}{rest.partition(end)[2]}"


def _left(intent: Intent) -> str:
    where = f"version {intent.target} is champion again" if intent.target else "the loop has no champion"
    if intent.kind == "outside":
        where = f"to version {intent.target}" if intent.target else "and there is no champion"
        return f"Version {intent.origin} is not the champion that it was: the alias was moved outside ratchet, {where}."
    return f"Version {intent.origin} was rolled back {_who(intent)}: {where}. {_why(intent)}".rstrip()


def _made(intent: Intent, been: bool) -> str:
    if intent.kind == "outside":
        return f"Version {intent.target} was made champion by a move of the alias outside ratchet."
    how = "was made champion again, by a rollback" if been else "was made champion around the gate"
    return f"Version {intent.target} {how} {_who(intent)}. {_why(intent)}".rstrip()


def _who(intent: Intent) -> str:
    return f"by {intent.by} on {intent.at:%Y-%m-%d %H:%M} UTC"


def _why(intent: Intent) -> str:
    return f"The reason given: {intent.reason}" if intent.reason else ""
