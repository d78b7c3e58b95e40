"""What training must never read."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet import rounds
from ratchet import stage as stages
from ratchet.artifacts import GROUPS, Artifact
from ratchet.begin import begin
from ratchet.promptset import find, open_part
from ratchet.settings import Settings
from ratchet.store import FolderStore, Store, open_store
from tests.e2e.rounds import LEARNING
from tests.e2e.steps import LOOP, options, own_cache, settings, step
from tests.micro import MICRO

__all__ = ["own_cache", "settings"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Spy(FolderStore):
    """A folder that remembers every key that was read, whatever view of it was used."""

    opened: list[str] = []

    def open(self, key: str) -> Any:
        Spy.opened.append(self.uri(key))
        return super().open(key)

    def sub(self, prefix: str) -> Spy:
        return Spy(super().sub(prefix).root)


# Probes of the seed, for its temperature and for what it is weak at, come before anything is collected.
GUIDES = "prompts: 18, weakness: {}, tune: {temperatures: [0.5, 1.0], prompts: 9, k: 2}"
GUIDED = MICRO.replace("generate: {", f"generate: {{{GUIDES}, ")


# Training chooses among its states by looks at validation.
CHOOSING = LEARNING.replace("train: {", "train: {checkpoints: {every: 2, best: validation, validate_every: 4}, ")


@pytest.mark.parametrize("recipe", [LEARNING, GUIDED, CHOOSING], ids=["plain", "guided", "choosing"])
def test_nothing_that_learns_ever_opens_what_is_held_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    ticket = begin("run", options(recipe), settings)
    store = open_store(settings.root)
    opened = rounds.read_round(store, LOOP, 1)
    held_out: set[str] = set()
    forbidden: list[str] = []
    for digest in (opened.prompts, opened.report):
        made = find(store, digest)
        assert made is not None
        for split in {"holdout", "report"} & made.parts.keys():
            part = open_part(store, made, split)
            held_out |= {p.id for p in part.rows()} | {i.sha256 for p in part.rows() for i in p.images}
            forbidden += [f"{part.manifest.uri}/shard", *(pack.uri for pack in part.manifest.packs)]
    assert len(forbidden) == 4
    monkeypatch.setattr(stages, "open_store", lambda root: Spy(root))
    for name in ("generate", "verify", "filter", "train"):
        Spy.opened.clear()
        step(settings, ticket, name)
        assert Spy.opened
        assert [uri for uri in Spy.opened if uri.startswith(tuple(forbidden))] == [], name
    step(settings, ticket, "evaluate")
    assert [uri for uri in Spy.opened if uri.startswith(forbidden[0])] != [], "the spy sees nothing"
    check_artifacts(store, held_out)


def check_artifacts(store: Store, held_out: set[str]) -> None:
    """No held-out prompt and no held-out picture is named in what learning leaves, rows and JSON alike."""
    done = rounds.manifests(store, LOOP, 1)
    for name in ("generate", "verify", "filter"):
        for group in Artifact.open(store, done[name].uri, GROUPS).rows():
            assert group.prompt.id not in held_out
            assert not held_out & {image.sha256 for image in group.prompt.images}
    for name in ("generate", "verify", "filter", "train"):
        for stat in store.list(store.key(done[name].uri) + "/"):
            data = store.get(store.key(stat.uri))
            if stat.uri.endswith(".json"):
                assert not [one for one in held_out if one.encode() in data], stat.uri
