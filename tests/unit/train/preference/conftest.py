"""Rows of pairs with bad pictures, and with captions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ratchet.artifacts import ImageBank
from ratchet.records import Group
from ratchet.train.preference.pictures import BadPictures
from ratchet.train.rows import ROWS, joined
from tests.unit.train.builders import recipe_of

PictureRows = Callable[..., Any]


@pytest.fixture
def picture_rows(bank: ImageBank, groups: Sequence[Group], tmp_path: Path) -> PictureRows:
    """Rows of the first `n` groups for these terms; the first `described` of them with a caption, though none was asked for."""

    def make(n: int, described: int = 0, **terms: Any) -> Any:
        recipe = recipe_of("dpo", pictures=terms) if set(terms) != {"content"} else recipe_of("dpo")
        rows = ROWS["dpo"](groups[:n], recipe)
        for number, row in enumerate(rows):
            row |= {"content_prompt": [], "content": []} if described else {}
            if number < described:
                row["content_prompt"] = [{"role": "user", "content": "list the objects ."}]
                row["content"] = [{"role": "assistant", "content": "a red circle and a blue square"[: 12 + number]}]
        found = recipe.train.pictures
        bad = BadPictures(found, bank, 5) if found is not None and found.needs_bad else None
        return joined(rows, bank, tmp_path / f"pictures-{n}.arrow", bad)

    return make
