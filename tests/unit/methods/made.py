"""Micro-rounds of shipped recipes: generate, verify and filter as they are, on a few prompts of their skills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratchet import canonical
from ratchet import recipe as recipes
from ratchet.artifacts import GROUPS, Artifact, ImageBank, Manifest, ModelRef
from ratchet.filter.settle import settle
from ratchet.promptset import PromptSet, PromptSetWriter, find
from ratchet.recipe import Recipe
from ratchet.records import Completion, Group, Verdict
from ratchet.stage import context_of, run_step
from ratchet.store import FolderStore
from ratchet.train.curriculum import Facts, Known
from ratchet.train.preference.pictures import BadPictures
from ratchet.train.rows import ROWS, joined
from ratchet.verify import apply
from ratchet.verify.panel import panel_of
from ratchet.verify.policy import Judgement, judge
from ratchet.verify.tools import Tools
from tests import tiny

POOL, VALIDATION = 36, 27
LARGER = {"star": 108, "dpe": 108}
"""Steps that seldom happen need more prompts."""
STAGES = ("generate", "verify", "filter")


@dataclass
class Made:
    """What became of a recipe's micro-round: all groups as verified, those that were kept, and training's rows of these."""

    recipe: Recipe
    store: FolderStore
    manifests: dict[str, Manifest]
    verified: list[Group]
    kept: list[Group]
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def bank(self) -> ImageBank:
        """The pictures of its rows."""
        return ImageBank(self.store, self.manifests["filter"].packs)

    @property
    def negatives(self) -> list[tuple[Group, Completion]]:
        return [(g, c) for g in self.verified for c in g.completions if c.negative is not None]

    @property
    def pairs(self) -> list[tuple[Completion, Completion]]:
        """(chosen, rejected) of all kept groups."""
        return [(g.completions[p.chosen], g.completions[p.rejected]) for g in self.kept for p in g.pairs]


def prompts(store: FolderStore, skills: Sequence[str] | None, pool: int) -> PromptSet:
    digest = canonical.digest(["methods", sorted(skills or ()), pool])
    known = find(store, digest)
    if known is not None:
        return known
    writer = PromptSetWriter(store, name=f"methods-{digest[:8]}", digest=digest, source="tinyworld", salt="s")
    for split, n in (("pool", pool), ("validation", VALIDATION)):
        drawn, pictures = tiny.world(split, n, **({"skills": skills} if skills else {}))
        writer.write_part(split, drawn, [tiny.pack(store, pictures, f"{digest[:8]}-{split}")])
    return writer.finish([])


def smaller(recipe: Recipe, pool: int) -> Recipe:
    """The same recipe with fewer prompts and fewer looks at validation."""
    raw = recipe.model_dump(mode="json")
    raw["prompts"].update(pool=pool, validation=VALIDATION)
    raw["generate"].update(prompts=pool // 2 if raw["generate"]["weakness"] else None, rows_per_file=POOL)
    if raw["generate"]["tune"]:
        raw["generate"]["tune"].update(prompts=VALIDATION, k=4)
    if raw["train"]["checkpoints"]["best"] == "validation":
        raw["train"]["checkpoints"].update(items=VALIDATION)
    return recipes.parse(raw)


def made(store: FolderStore, seed: ModelRef, name: str, **changes: Any) -> Made:
    """Run a shipped recipe's first three stages; `changes` override parts of its filter."""
    pool = LARGER.get(name, POOL)
    recipe = smaller(recipes.load(name), pool)
    if changes:
        raw = recipe.model_dump(mode="json")
        raw["filter"].update(changes)
        recipe = recipes.parse(raw)
    drawn = prompts(store, recipe.prompts.skills, pool)
    opened = tiny.opened_round(store, seed, drawn, {})
    opened = opened.model_copy(update={"recipe": recipe, "base": seed, "loop": f"methods-{name}"})
    done: dict[str, Manifest] = {}
    for stage in STAGES:
        done[stage] = run_step(context_of(stage, store, opened, done))
    verified, kept = (list(Artifact.open(store, done[stage].uri, GROUPS).rows()) for stage in ("verify", "filter"))
    return Made(recipe, store, done, verified, kept, list(ROWS[recipe.train.method](kept, recipe)))


def checked(name: str, groups: Sequence[Group], store: FolderStore, bank: ImageBank | None = None) -> Made:
    """What a recipe's verify and filter leave of groups that a test wrote, where the shipped seed makes none; with its rows."""
    recipe = recipes.load(name)
    seed = ModelRef(name="seed", uri="nowhere", digest="0" * 64)
    tools = Tools(store, bank or ImageBank(store, []), seed, {}, {}, draw=1)
    panel = panel_of(recipe.verify, tools)
    verified = apply([g for g in groups if g.reason is None], panel.names, 10.0, panel.verifiers)
    found = [(group, settle(group, recipe.verify, recipe.filter)) for group in verified]
    kept = [group.model_copy(update={"uses": one.uses}) for group, one in found if one.reason is None]
    return Made(recipe, store, {}, verified, kept, list(ROWS[recipe.train.method](kept, recipe)))


def few(made: Made, folder: Path, n: int, bad: BadPictures | None = None) -> Any:
    """The first `n` rows of a round, as training gets them."""
    return joined(made.rows[:n], made.bank, folder / "rows.arrow", bad)


def facts_of_rows(made: Made) -> tuple[Facts, ...]:
    """What a curriculum knows of the round's rows, in their order."""
    known = Known(made.recipe.verify)
    list(known.noting(made.kept))
    return tuple(known.of(row) for row in made.rows)


def judged(recipe: Recipe, **scores: float) -> Judgement:
    """What the recipe's policy makes of these scores by verifier; a score of 1 passes."""
    verdicts = [
        Verdict(verifier=name, version="1", score=score, passed=score == 1, reason="test")
        for name, score in scores.items()
    ]
    return judge(verdicts, recipe.verify)


def note(completion: Completion, name: str) -> float | None:
    return next((part.score for part in completion.notes if part.name == name), None)


def score(completion: Completion, verifier: str) -> float | None:
    return next((v.score for v in completion.verdicts if v.verifier == verifier), None)
