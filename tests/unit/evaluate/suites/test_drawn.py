"""A suite that draws its questions is prepared as one of files is; another salt draws others."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.errors import RecipeError
from ratchet.evaluate.suites import SUITES
from ratchet.evaluate.suites.preparing import Origin, prepare
from ratchet.recipe import SuiteConfig
from ratchet.store import FolderStore


def test_drawn_questions_are_pinned_by_their_digest_and_fresh_with_another_salt(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path / "store"))
    drawn = next(one for _, one in sorted(SUITES.items()) if one.draw is not None)
    chosen = SuiteConfig(name=drawn.name, items=12)
    first = prepare(store, Origin(drawn, chosen, "salt-1"))
    assert 0 < first.manifest.rows <= 12
    assert prepare(store, Origin(drawn, chosen, "salt-1")).digest == first.digest
    assert prepare(store, Origin(drawn, chosen, "salt-2")).digest != first.digest
    with pytest.raises(RecipeError, match=rf"{drawn.name} draws its questions; say how many \(items\)"):
        prepare(store, Origin(drawn, SuiteConfig(name=drawn.name, source="files"), "salt-1"))
    with pytest.raises(RecipeError, match="does not draw pictures of 7 pixels"):
        prepare(store, Origin(drawn, SuiteConfig(name=drawn.name, items=12, size=7), "salt-1"))


def test_a_suite_of_files_takes_no_items() -> None:
    with pytest.raises(RecipeError, match="pope reads files; give its source"):
        list(Origin(SUITES["pope"], SuiteConfig(name="pope", items=3)).questions())
    for wrong in ({}, {"source": "a", "items": 3}, {"source": "a", "size": 32}, {"items": 3, "limit": 2}):
        with pytest.raises(ValueError, match="suite pope"):
            SuiteConfig.model_validate({"name": "pope", **wrong})
