"""A pool of pictures without questions: imported, asked about by the model, labelled by votes, learned from."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import loop, rounds
from ratchet.artifacts import GROUPS, Artifact
from ratchet.begin import BeginOptions
from ratchet.errors import PromptSetError
from ratchet.importing import import_prompts
from ratchet.importing.options import ImportOptions
from ratchet.records import Group
from ratchet.store import Store, open_store
from tests import tiny
from tests.micro import settings_in

pytestmark = pytest.mark.timeout(900)
RECIPE = """
name: album
seed: 3
prompts: {source: tinyworld, pictures: album, pool: 40, validation: 9, holdout: 45, report: 9}
generate:
  strategy: [{name: random, weight: 2}, {name: ask, ask: ["what , where or how many ?"], form_of_question: '^(.+)$', label: votes, k: 4}]
  k: 2
  max_new_tokens: 8
verify: {policy: none}
train: {max_steps: 2, batch_size: 8}
evaluate: {max_new_tokens: 6, pass_at_k: null}
promote: {min_items: 9}
"""


def _album(folder: Path, n: int) -> set[str]:
    """Pictures of the tiny world in a folder, each once; their hashes."""
    _, pictures = tiny.world("report", n, skills=["count"])
    folder.mkdir()
    for sha, data in pictures.items():
        (folder / f"{sha[:12]}.png").write_bytes(data)
    return set(pictures)


def _groups(store: Store, name: str) -> list[Group]:
    made = rounds.manifests(store, name, 1)["generate"]
    return list(Artifact.open(store, made.uri, GROUPS).rows())


def test_a_round_learns_from_an_imported_album_and_is_judged_on_the_source(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    store = open_store(settings.root)
    hashes = _album(tmp_path / "album", 40)
    report = import_prompts(str(tmp_path / "album"), store, ImportOptions(name="album", pictures=True))
    assert report.accepted == len(hashes)
    loop.init_loop(settings, "album", "tinyworld")
    end = loop.run_in_process(settings, BeginOptions(loop="album", recipe=RECIPE))
    assert end.state in ("PROMOTED", "REFUSED"), end.reason
    opened = rounds.read_round(store, "album", 1)
    assert opened.pictures == report.set.digest != opened.prompts
    groups = _groups(store, "album")
    assert {ref.sha256 for g in groups for ref in g.prompt.images} == hashes
    asked = [g for g in groups if g.prompt.origin is not None]
    assert asked, "the model asked something"
    parents = {g.prompt.id: g for g in groups if g.prompt.origin is None}
    assert all(g.prompt.split_key in hashes for g in [*asked, *parents.values()])
    assert opened.autonomy is not None


def test_an_album_that_is_not_there_is_named_before_anything_is_drawn(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    loop.init_loop(settings, "album", "tinyworld")
    with pytest.raises(PromptSetError, match="no prompt set 'album'"):
        loop.run_in_process(settings, BeginOptions(loop="album", recipe=RECIPE))
    assert rounds.numbers(open_store(settings.root), "album") == []


def test_a_set_without_a_pool_cannot_stand_in_for_one(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    store = open_store(settings.root)
    _album(tmp_path / "album", 5)
    options = ImportOptions(name="album", pictures=True, shares={"report": 1.0})
    import_prompts(str(tmp_path / "album"), store, options)
    loop.init_loop(settings, "album", "tinyworld")
    with pytest.raises(PromptSetError, match="has no pool, so there is nothing to ask about"):
        loop.run_in_process(settings, BeginOptions(loop="album", recipe=RECIPE))
