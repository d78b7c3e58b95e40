"""What rounds were asked for, kept before they are started: so that a request is carried out once, whoever is killed when.

<root>/loops/<loop>/starts/<digest of the key>.json   a request; with its run as soon as there is one
<root>/loops/<loop>/started/<run>.json                who asked for a run: written after it was started, for `ratchet runs`
"""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime

from pydantic import Field

from ratchet import canonical, rounds
from ratchet.errors import Conflict, NotFound, PlatformUnavailable, StoreError
from ratchet.operations.starting import RoundRequest
from ratchet.records import Record
from ratchet.store import Store

CLAIM_SECONDS = 60.0
"""How long one process may take to start a run before another goes on in its place."""
LOOK_SECONDS = 0.2


class Start(Record):
    """A request as it stands. `token` tells apart who works on it; `run` is None until the run is known."""

    request: RoundRequest
    token: str
    asked: datetime = Field(default_factory=lambda: datetime.now(UTC))
    run: str | None = None


def start_key(loop: str, key: str) -> str:
    return f"{rounds.loop_prefix(loop)}/starts/{short(key)}.json"


def short(key: str) -> str:
    """The key as a part of a name: keys may be long and hold anything."""
    return canonical.digest(key)[:16]


def read_start(store: Store, loop: str, key: str) -> Start | None:
    try:
        return Start.model_validate_json(store.get(start_key(loop, key)))
    except NotFound:
        return None


def claim(store: Store, request: RoundRequest, *, seconds: float = CLAIM_SECONDS) -> Start:
    """The request's record: with its run, if somebody started it; else one that is ours to start now.

    While another process works on it we wait for that; after `seconds` we go on in its place. Raises PlatformUnavailable
    when processes take it from each other without end.
    """
    mine = Start(request=request, token=secrets.token_hex(8))
    key = start_key(request.loop, request.key)
    for _ in range(5):
        try:
            store.put_if(key, _bytes(mine), absent=True)
            return mine
        except Conflict:
            known = _waited_for(store, request, seconds)
        if known.run is not None:
            return known
        stat = store.stat(key)
        if stat is None or read_start(store, request.loop, request.key) != known:
            continue
        try:
            store.put_if(key, _bytes(mine), etag=stat.etag)
            return mine
        except Conflict:
            continue
    raise PlatformUnavailable(
        f"{store.uri(key)} is being started by several at once, none of which comes to an end; give the command again."
    )


def _waited_for(store: Store, request: RoundRequest, seconds: float) -> Start:
    """The record, once it has its run or whoever works on it took too long by this machine's clock."""
    deadline = time.monotonic() + seconds
    while True:
        known = read_start(store, request.loop, request.key)
        if known is None:
            raise PlatformUnavailable(
                f"{store.uri(start_key(request.loop, request.key))} went away while it was read; again."
            )
        left = min(deadline - time.monotonic(), seconds - (datetime.now(UTC) - known.asked).total_seconds())
        if known.run is not None or left <= 0:
            return known
        time.sleep(min(LOOK_SECONDS, left))


def abandon(store: Store, mine: Start) -> None:
    """Give a request back that could not be carried out, so that the next try need not wait."""
    with suppress(StoreError):
        known = read_start(store, mine.request.loop, mine.request.key)
        if known is not None and known.token == mine.token and known.run is None:
            store.delete(start_key(mine.request.loop, mine.request.key))


def settle(store: Store, mine: Start, run: str) -> None:
    """Keep which run the request became, and who asked for that run."""
    request = mine.request
    done = mine.model_copy(update={"run": run})
    store.put(start_key(request.loop, request.key), _bytes(done))
    store.put(_started_key(request.loop, run), _bytes(done))


def origin_of(store: Store, loop: str, run: str) -> RoundRequest | None:
    """The request that a run was started for; None for one that a schedule or somebody in the UI started."""
    try:
        return Start.model_validate_json(store.get(_started_key(loop, run))).request
    except NotFound:
        return None


def _started_key(loop: str, run: str) -> str:
    return f"{rounds.loop_prefix(loop)}/started/{run}.json"


def _bytes(start: Start) -> bytes:
    return canonical.pretty(start.model_dump(mode="json"))
