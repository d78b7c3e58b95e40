"""Follow the alias: what the loop's champion is, is served. Idempotent; started again, it goes on where it was."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ratchet.errors import PlatformError, RegistryError, StillRolling
from ratchet.registry import open_registry
from ratchet.registry.base import ModelVersion, Registry
from ratchet.serving.cluster import Cluster
from ratchet.serving.config import ServingConfig
from ratchet.serving.deployment import Rolled
from ratchet.serving.kserve import Shared
from ratchet.serving.manifest import Wanted
from ratchet.serving.notes import ABORTED, ABORTED_BY, ABORTED_VERSION, ABORTED_WHY, SERVED_VERSION, Notes
from ratchet.serving.outcome import Aborted, Followed, Said
from ratchet.settings import Settings
from ratchet.store import open_store

log = logging.getLogger(__name__)
KINDS = {"deployment": "Deployment", "kserve": "InferenceService"}


def follow(
    settings: Settings,
    loop: str,
    version: str | None,
    config: ServingConfig,
    *,
    cluster: Cluster | None = None,
    again: bool = False,
    say: Said = lambda _: None,
) -> Followed:
    """Serve the loop's champion, a canary first. `version`: the one that the caller believes is champion; when another is by
    now, nothing is touched and the answer is `superseded`. A version that was aborted is not tried again unless `again`.

    Raises PlatformError where the cluster refuses, RegistryError where the loop has no champion.
    """
    store = open_store(settings.root)
    registry = open_registry(settings, store)
    champion = _champion(registry, loop)
    cluster = cluster or Cluster.connect()
    name, kind = config.name_of(loop), KINDS[config.kind]
    if version is not None and version != champion.version:
        return _told(cluster, kind, name, "superseded", version, f"version {champion.version} is champion now")
    wanted = Wanted(loop, champion, config)
    notes = Notes(cluster, kind, name)
    if (noted := notes.read()).get(ABORTED) == wanted.spec:
        if not again:
            return _aborted(cluster, kind, name, noted)
        notes.again(wanted)
    rolling = (Rolled if config.kind == "deployment" else Shared)(
        cluster, store, wanted, say, lambda: _champion(registry, loop).version == champion.version
    )
    try:
        state = rolling.roll()
    except Aborted as aborted:
        if (noted := notes.read()).get(ABORTED) == wanted.spec:
            return _aborted(cluster, kind, name, noted)
        return _told(cluster, kind, name, "aborted" if aborted.final else "superseded", champion.version, str(aborted))
    return _told(cluster, kind, name, state, champion.version, None)


def show(loop: str, config: ServingConfig, cluster: Cluster | None = None) -> Followed:
    """What serves now, and what was aborted last."""
    cluster = cluster or Cluster.connect()
    kind, name = KINDS[config.kind], config.name_of(loop)
    noted = Notes(cluster, kind, name).read()
    if ABORTED in noted:
        return _aborted(cluster, kind, name, noted)
    if cluster.get(kind, name) is None:
        return Followed(name=name, state="absent", version=None, serving=None)
    serving = noted.get(SERVED_VERSION)
    return Followed(name=name, state="served" if serving else "rolling", version=serving, serving=serving)


def abort(
    settings: Settings, loop: str, config: ServingConfig, why: str, by: str, cluster: Cluster | None = None
) -> Followed:
    """End a canary: all traffic to what served before, and the champion is not tried again unasked. `by` who says so."""
    store = open_store(settings.root)
    champion = _champion(open_registry(settings, store), loop)
    cluster = cluster or Cluster.connect()
    kind, name = KINDS[config.kind], config.name_of(loop)
    if cluster.get(kind, name) is None:
        raise PlatformError(
            f"nothing serves loop {loop}: there is no {kind} {name}. `ratchet serving follow` makes one."
        )
    wanted = Wanted(loop, champion, config)
    rolling = (Rolled if config.kind == "deployment" else Shared)(cluster, store, wanted, lambda _: None, lambda: True)
    # Noted first: a roll under way is then told why its pods go, and takes no traffic any more.
    rolling.notes.aborted(wanted, told := Aborted(why, by=by))
    rolling.back(told)
    return _told(cluster, kind, name, "aborted", champion.version, why, by)


class Follower:
    """What a trigger tells of moves of the alias: `follower(loop, move)`. A roll takes minutes, so it runs in a thread of its
    own; until it has ended the call raises StillRolling, and whoever calls asks again later. A crash loses nothing."""

    def __init__(
        self, settings: Settings, config: ServingConfig, connect: Callable[[], Cluster] = Cluster.connect
    ) -> None:
        self._settings, self._config, self._connect = settings, config, connect
        self._rolls: dict[tuple[str, str], _Roll] = {}

    def __call__(self, loop: str, move: Any) -> None:
        key = (loop, str(move.target))
        roll = self._rolls.get(key)
        if roll is None:
            self._rolls[key] = roll = _Roll(lambda: self._follow(*key))
        roll.thread.join(0.1)
        if roll.thread.is_alive():
            raise StillRolling(f"version {key[1]} of {loop} is being rolled out; asked again at the next look")
        del self._rolls[key]
        if roll.error is not None:
            raise roll.error

    def _follow(self, loop: str, version: str) -> None:
        told = follow(self._settings, loop, version, self._config, cluster=self._connect(), say=log.info)
        log.info("loop %s: serving %s: version %s %s %s", loop, told.name, version, told.state, told.why or "")


class _Roll:
    def __init__(self, work: Callable[[], None]) -> None:
        self.error: Exception | None = None
        self._work = work
        self.thread = threading.Thread(target=self._run, name="serving", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:  # told to whoever asks next
            self.error = error


def _champion(registry: Registry, loop: str) -> ModelVersion:
    found = registry.champion(loop)
    if found is None:
        raise RegistryError(
            f"loop {loop} has no champion to serve; `ratchet init --loop {loop} --seed MODEL` registers a first one."
        )
    return found


def _aborted(cluster: Cluster, kind: str, name: str, noted: Mapping[str, str]) -> Followed:
    why, by = noted.get(ABORTED_WHY), noted.get(ABORTED_BY)
    return _told(cluster, kind, name, "aborted", noted.get(ABORTED_VERSION), why, by)


def _told(
    cluster: Cluster, kind: str, name: str, state: Any, version: str | None, why: str | None, by: str | None = None
) -> Followed:
    there = cluster.get(kind, name) is not None
    serving = Notes(cluster, kind, name).read().get(SERVED_VERSION) if there else None
    return Followed(name=name, state=state, version=version, serving=serving, why=why, by=by)
