"""One look at one loop: record what moved, tell who follows the alias, decide what is due, start it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ratchet import canonical, rounds
from ratchet.errors import PlatformError, RatchetError, RegistryError, StillRolling, StoreError
from ratchet.operations import policy as policies
from ratchet.operations.policy import LoopPolicy, Stopped
from ratchet.operations.starting import RoundRequest, Starter
from ratchet.operations.trigger.asks import Ask, Asks
from ratchet.operations.trigger.decide import Decision, Due, Idle, MustStop, Seen, decide
from ratchet.operations.trigger.metrics import Metrics
from ratchet.operations.trigger.moves import AliasMove, MoveReader, followed, observe, write_followed
from ratchet.registry import Registry
from ratchet.registry.promotion import history
from ratchet.rounds import RoundEnd
from ratchet.status import stands_still
from ratchet.store import Store

OnMove = Callable[[str, AliasMove], None]
"""Called with the loop and its newest move, once it went well; again after a failure or a kill, so it must be idempotent."""
RETRY_SECONDS = 30.0
LONGEST_RETRY_SECONDS = 1800.0
TRIES = 3
log = logging.getLogger("ratchet.trigger")


@dataclass
class LoopState:
    """What a trigger remembers of a loop between looks. All of it may be lost: what counts is in the store."""

    moves: MoveReader
    asks: Asks
    round: int = 0
    observed: int = 0
    told: str = ""
    failed_starts: int = 0
    not_before: dict[str, float] = field(default_factory=dict)


class Driver:
    """Looks at loops. Safe to use from several threads, and by several triggers, for different loops or the same."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        starter: Starter,
        metrics: Metrics,
        on_move: Sequence[OnMove] = (),
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._registry = registry
        self._store = store
        self._starter = starter
        self._metrics = metrics
        self._on_move = tuple(on_move)
        self._retry = retry_seconds
        self._states: dict[str, LoopState] = {}

    def look(self, loop: str) -> Idle | Ask:
        """The ask that was started, or why nothing was. Raises what the registry, the store or the platform says."""
        if loop not in self._states and not _is_loop(self._store, loop):
            return Idle(
                "no-policy",
                f"{loop} is a model of the registry and no loop: it has neither policy nor seed in the store",
            )
        state = self._states.get(loop) or self._states.setdefault(
            loop, LoopState(MoveReader(self._registry, self._store, loop), Asks(self._store, loop))
        )
        moves = state.moves.read()
        for move in observe(self._store, loop, moves, state.observed):
            self._metrics.moves.labels(loop, move.kind).inc()
            log.info("loop %s: %s", loop, move.words())
        if moves:
            state.observed = moves[-1].number
            self._follow(loop, moves[-1])
        result = self._act(loop, state, moves)
        self._tell(loop, state, result)
        return result

    def _follow(self, loop: str, move: AliasMove) -> None:
        """A follower that fails is told again at the next look, and keeps no round from starting."""
        if not self._on_move or move.target is None or followed(self._store, loop, move):
            return
        try:
            for tell in self._on_move:
                tell(loop, move)
        except StillRolling as rolling:
            log.info("loop %s: %s", loop, rolling)
            return
        except (RatchetError, OSError) as error:
            self._metrics.failures.labels("follower").inc()
            log.error("loop %s: move %d was not followed, and will be again: %s", loop, move.number, error)
            return
        write_followed(self._store, loop, move)

    def _read(self, loop: str, state: LoopState, moves: Sequence[AliasMove]) -> Seen:
        ask = state.asks.last()
        number = self._last_round(loop, state)
        end = rounds.read_end(self._store, loop, number) if number else None
        stopped = policies.read_stopped(self._store, loop)
        point = _point(loop, ask, number, end)
        was_stopped = stopped is None and self._store.exists(point)
        if stopped is not None:
            self._mark(point, stopped)
        return Seen(
            loop=loop,
            policy=policies.read_policy(self._store, loop),
            stopped=stopped,
            moves=tuple(moves),
            round=number,
            end=end,
            ask=ask,
            ask_started=ask is not None and state.asks.started(ask.number) is not None,
            was_stopped=was_stopped,
        )

    def _last_round(self, loop: str, state: LoopState) -> int:
        """Listing a loop's rounds lists all that they made, so that is done once: later ones are looked for by number."""
        if not state.round:
            state.round = max(rounds.numbers(self._store, loop), default=0)
        while self._store.exists(f"{rounds.round_prefix(loop, state.round + 1)}/round.json"):
            state.round += 1
        return state.round

    def _act(self, loop: str, state: LoopState, moves: Sequence[AliasMove]) -> Idle | Ask:
        seen = self._read(loop, state, moves)
        for _ in range(TRIES):
            decision = decide(seen)
            if isinstance(decision, Idle) and decision.waits != "waits":
                return decision
            if self._starter.running(loop) or not stands_still(self._store, loop):
                return Idle("running", "a run works on the loop")
            # Read again: the run that is gone now may have ended its round after the first reading. A run that another
            # trigger started meanwhile was not looked for: it would be taken for one that is gone.
            before, seen = seen, self._read(loop, state, moves)
            if before.run == seen.run:
                return self._do(state, seen, decide(seen))
        return Idle("behind", "it changes just now")

    def _do(self, state: LoopState, seen: Seen, decision: Decision) -> Idle | Ask:
        if isinstance(decision, Idle):
            return decision
        if isinstance(decision, MustStop):
            return self._stop(seen, decision)
        assert seen.policy is not None, "without one nothing is due"
        return self._start(seen.loop, state, decision, seen.policy)

    def _stop(self, seen: Seen, decision: MustStop) -> Idle:
        wanted = Stopped(why=decision.why, rule=decision.rule, after=seen.round)
        stopped = policies.stop(self._store, seen.loop, wanted)
        self._mark(_point(seen.loop, seen.ask, seen.round, seen.end), stopped)
        return Idle("stopped", stopped.words(seen.loop))

    def _mark(self, point: str, stopped: Stopped) -> None:
        """Once somebody goes on, the same end of the same round is no reason to stop again."""
        if not self._store.exists(point):
            self._store.put(point, canonical.pretty(stopped.model_dump(mode="json")))

    def _start(self, loop: str, state: LoopState, due: Due, policy: LoopPolicy) -> Idle | Ask:
        wait = self._seconds_left(state, due.ask)
        if wait > 0:
            return Idle("waits", f"{due.ask.why}; its next try comes in {wait:.0f} s")
        if due.new and not state.asks.make(due.ask):
            return Idle("behind", "another trigger asked for a round at this moment")
        try:
            run = self._starter.start(
                RoundRequest(
                    loop=loop,
                    recipe=policy.recipe,
                    seed=policy.seed,
                    budget=policy.budget,
                    key=due.ask.key,
                    why=due.ask.why,
                    origin="trigger",
                )
            )
        except RatchetError:
            state.failed_starts += 1
            state.not_before[due.ask.key] = time.monotonic() + self._delay(state.failed_starts)
            raise
        state.failed_starts = 0
        state.not_before.clear()
        if state.asks.write_started(due.ask.number, run):
            self._metrics.rounds.labels(loop, due.ask.cause).inc()
            log.info("loop %s: started run %s (%s): %s", loop, run.run, due.ask.key, due.ask.why)
        return due.ask

    def _seconds_left(self, state: LoopState, ask: Ask) -> float:
        """A round after a failure waits, longer after each. It waits anew in a trigger that is started again: that is soon enough."""
        if ask.failures and ask.key not in state.not_before:
            state.not_before[ask.key] = time.monotonic() + self._delay(ask.failures)
        return state.not_before.get(ask.key, 0.0) - time.monotonic()

    def _delay(self, failures: int) -> float:
        return float(min(self._retry * 2 ** (failures - 1), LONGEST_RETRY_SECONDS))

    def _tell(self, loop: str, state: LoopState, result: Idle | Ask) -> None:
        self._metrics.idles(loop, result.waits if isinstance(result, Idle) else None)
        if isinstance(result, Idle) and result.waits != state.told:
            log.info("loop %s starts no round (%s): %s", loop, result.waits, result.why)
        state.told = result.waits if isinstance(result, Idle) else ""


def _is_loop(store: Store, loop: str) -> bool:
    """A registry holds models of other people too: nothing of theirs is recorded, and no metric gets their names."""
    return policies.read_policy(store, loop) is not None or any(m.intent.kind == "seed" for m in history(store, loop))


def _point(loop: str, ask: Ask | None, number: int, end: RoundEnd | None) -> str:
    """Where the loop stands on its way, as the key of a stop that was seen there."""
    name = f"{ask.number if ask else 0:04d}-{number:04d}-{end.state.lower() if end else 'open'}"
    return f"{rounds.loop_prefix(loop)}/trigger/stops/{name}.json"


def place_of(error: Exception) -> str:
    """Which part of the world failed, for the metric."""
    kinds = ((StoreError, "store"), (RegistryError, "registry"), (PlatformError, "starter"))
    return next((name for kind, name in kinds if isinstance(error, kind)), "other")
