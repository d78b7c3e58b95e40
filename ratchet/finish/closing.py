"""How a round is closed that its own finish never will: by the next begin, or by the janitor."""

from __future__ import annotations

from ratchet import canonical, rounds
from ratchet.finish.stage import end_of
from ratchet.registry.promotion import Move, history
from ratchet.rounds import RoundEnd, Ticket
from ratchet.store import Store
from ratchet.usage import with_hours


def close_dead(store: Store, loop: str, number: int, why: str) -> RoundEnd:
    """Write the end of a round whose run is gone, and return what stands. Call it under the loop's lease."""
    return rounds.write_end(store, loop, number, with_hours(store, loop, number, end_of_dead(store, loop, number, why)))


def end_of_dead(store: Store, loop: str, number: int, why: str) -> RoundEnd:
    """As promote decided, if only finish is missing; PROMOTED where the alias moved before promote could say so; else FAILED, with
    what the stages of its last run said, and `why` nobody waits for more."""
    end = end_of(store, last_ticket(store, loop, number))
    if end.state != "FAILED":
        return end
    moved = promotion_of(store, loop, number)
    if moved is not None:
        version = moved.intent.target
        return RoundEnd(state="PROMOTED", reason=moved.intent.reason, job=end.job, champion=version, candidate=version)
    return end.model_copy(update={"reason": f"{end.reason} ({why})"})


def promotion_of(store: Store, loop: str, number: int) -> Move | None:
    """The move of the alias that the round made, if it came so far before it was stopped."""
    moves = history(store, loop)
    return next((m for m in moves if m.moved and m.intent.kind == "promotion" and m.intent.round == number), None)


def last_ticket(store: Store, loop: str, number: int) -> Ticket:
    """Of the run that worked on the round last; of the one that opened it where no ticket was written."""
    runs = (
        Ticket.model_validate(canonical.loads(store.get(store.key(one.uri))))
        for one in store.list(f"{rounds.loop_prefix(loop)}/runs/")
    )
    found = max((run for run in runs if run.number == number), key=lambda run: run.epoch, default=None)
    if found is not None:
        return found
    return Ticket(root=store.root, loop=loop, number=number, job=rounds.read_round(store, loop, number).job, epoch=0)
