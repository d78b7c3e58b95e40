"""Tools over the shipped seed and some tiny-world prompts, for verifiers that work with models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ratchet import models
from ratchet.artifacts import ModelRef
from ratchet.recipe import VerifyConfig
from ratchet.records import Completion, Group, Prompt
from ratchet.store import FolderStore
from ratchet.tinyworld.seed import SEED_DIR
from ratchet.verify import apply
from ratchet.verify.panel import panel_of
from ratchet.verify.tools import Tools
from tests import rows, tiny

MEASURED: tuple[dict[str, Any], ...] = (
    {"name": "majority"},
    {"name": "likelihood"},
    {"name": "conditioning", "against": "blur"},
    {"name": "small_scorer", "model": "clip"},
    {"name": "reward_model", "model": "rm"},
    {"name": "views", "max_new_tokens": 8},
    {"name": "own_caption", "ask": "list the objects .", "max_new_tokens": 16},
    {"name": "sufficient"},
)
"""Every verifier that measures or lets vote, as a recipe has it."""


def tools_at(
    folder: Path, n: int, skills: Sequence[str], pinned: Mapping[str, Path] | None = None
) -> tuple[list[Prompt], Tools]:
    """The first `n` validation prompts, and tools that have their pictures; `pinned` are model folders by source."""
    store = FolderStore(str(folder))
    prompts, pictures = tiny.world("validation", n, skills)
    seed = models.upload(store, SEED_DIR, "seed")
    refs: dict[str, ModelRef] = {
        source: models.upload(store, path, f"pinned-{number}")
        for number, (source, path) in enumerate((pinned or {}).items())
    }
    return prompts, Tools(store, tiny.bank(store, pictures), seed, {}, refs, 7)


def group(prompt: Prompt, *texts: str) -> Group:
    return Group(prompt=prompt, completions=tuple(rows.completion(i, text) for i, text in enumerate(texts)))


def failed(completion: Completion) -> Completion:
    return completion.model_copy(update={"finish_reason": "error", "text": "", "error": "picture: gone"})


def verified(tools: Tools, groups: Sequence[Group], verifier: Any) -> list[Group]:
    """The groups as the stage would verify them by one verifier of a recipe."""
    panel = panel_of(VerifyConfig.model_validate({"verifiers": [verifier]}), tools)
    return apply(groups, panel.names, 10, panel.verifiers)
