"""What a delivery says, and the ids of those that were taken, so that one which is sent again is known."""

from __future__ import annotations

import threading
import time
import uuid
from collections import OrderedDict

from ratchet import canonical
from ratchet.errors import NotFound, RoundError, StoreError
from ratchet.operations.trigger.signature import WINDOW_SECONDS, Refused
from ratchet.registry.base import CHAMPION, SCRATCH_MODELS
from ratchet.rounds import check_loop_name
from ratchet.store import Store

ENTITY = "model_version_alias"
ACTIONS = ("created", "deleted")
PLACE = "trigger/deliveries"
MOST_IDS = 500_000


def loop_of(body: bytes) -> str | None:
    """The loop whose alias `champion` the delivery speaks of; None for what is none of ours. Raises Refused for no delivery.

    MLflow says `created` also for an alias that moves. Which version it names is not read: by now it may be another.
    """
    try:
        told = canonical.loads(body)
    except ValueError:
        raise Refused("malformed", "the body is no JSON") from None
    if not isinstance(told, dict) or not isinstance(told.get("data"), dict):
        raise Refused("malformed", "the body is no delivery of MLflow: it has no `data`")
    name = told["data"].get("name")
    if told.get("entity") != ENTITY or told.get("action") not in ACTIONS or told["data"].get("alias") != CHAMPION:
        return None
    if isinstance(name, str) and name.startswith(SCRATCH_MODELS):
        return None
    try:
        return check_loop_name(name) if isinstance(name, str) else None
    except RoundError:
        return None


class Seen:
    """Ids of the deliveries inside of the window. Older ones are refused by their time, so they need not be known.

    Kept in the store in small batches, the newest a moment late: a delivery is a hint, and one that is taken twice after a
    kill costs one look and starts nothing.
    """

    def __init__(self, store: Store, window: float = WINDOW_SECONDS) -> None:
        self._store = store
        # A stamp may lie one window ahead of our clock, and is good until it lies one window behind.
        self._keep = 2 * window
        self._ids: OrderedDict[str, float] = OrderedDict()
        self._new: list[str] = []
        self._batches: list[tuple[float, str]] = []
        self._lock = threading.Lock()

    def load(self, now: float | None = None) -> int:
        """Read what an earlier trigger kept; how many ids that were."""
        now = time.time() if now is None else now
        for stat in self._store.list(f"{PLACE}/"):
            key = self._store.key(stat.uri)
            taken = _time_of(key)
            self._batches.append((taken, key))
            if taken + self._keep >= now:
                self._remember(_ids_in(self._store, key), taken)
        return len(self._ids)

    def knows(self, delivery: str) -> bool:
        with self._lock:
            return delivery in self._ids

    def add(self, delivery: str, now: float) -> None:
        with self._lock:
            self._ids[delivery] = now
            self._new.append(delivery)
            while self._ids and (len(self._ids) > MOST_IDS or next(iter(self._ids.values())) + self._keep < now):
                self._ids.popitem(last=False)

    def keep(self, now: float | None = None) -> None:
        """Write the new ones, and remove batches that nobody needs any more. Raises StoreError; nothing is forgotten then."""
        now = time.time() if now is None else now
        with self._lock:
            batch, self._new = self._new, []
        if batch:
            key = f"{PLACE}/{int(now):012d}-{uuid.uuid4().hex[:12]}.json"
            try:
                self._store.put(key, canonical.dumps(batch))
            except StoreError:
                with self._lock:
                    self._new = batch + self._new
                raise
            self._batches.append((now, key))
        for taken, key in [b for b in self._batches if b[0] + self._keep < now]:
            self._store.delete(key)
            self._batches.remove((taken, key))

    def _remember(self, ids: list[str], taken: float) -> None:
        with self._lock:
            self._ids.update(dict.fromkeys(ids, taken))


def _time_of(key: str) -> float:
    stamp = key.rsplit("/", 1)[-1].split("-", 1)[0]
    return float(stamp) if stamp.isdigit() else 0.0


def _ids_in(store: Store, key: str) -> list[str]:
    try:
        found = canonical.loads(store.get(key))
    except (NotFound, ValueError):
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
