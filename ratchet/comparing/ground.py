"""What all arms of a comparison share: the seed, the pool that is learned from, the items that are measured.

The items never come from a loop's holdout. The tiny world draws a set of its own, whose holdout no gate has; an imported set
gives the half of its `validation` split that its rounds here do not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ratchet import canonical
from ratchet.artifacts import Artifact, ImageBank, ModelRef
from ratchet.errors import PromptSetError
from ratchet.importing.tinyworld import tinyworld_set
from ratchet.promptset import FINGERPRINTS, Fingerprint, PromptSet, PromptSetWriter, find, open_part, open_set, split_of
from ratchet.recipe import PromptsConfig
from ratchet.records import Prompt
from ratchet.store import Store

TINYWORLD = "tinyworld"
STEERED = {"steered": 0.5, "measured": 0.5}
"""How an imported set's validation is shared between what rounds may look at and what is measured."""
STEERING = 360
"""Validation prompts that rounds on the tiny world may look at: for temperatures, weights, checkpoints."""


@dataclass(frozen=True)
class Ground:
    """`base` is the set that pools come from; `loop` names whose control arms the artifacts are; `halved`: items are of the
    base's validation, whose other half rounds may look at."""

    store: Store
    loop: str
    seed: ModelRef
    base: PromptSet
    items: tuple[Prompt, ...]
    bank: ImageBank
    salt: str
    halved: bool = False

    @property
    def drawn(self) -> bool:
        """Whether the tiny world drew the set."""
        return self.base.source == TINYWORLD

    def prompts(self, skills: Sequence[str] | None) -> PromptSet:
        """The pool's prompts of these skills (null: all), with the validation prompts that a round may look at."""
        measured = [prompt.id for prompt in self.items]
        digest = canonical.digest(["bench", self.base.digest, sorted(skills or ()), measured, self.salt])
        known = find(self.store, digest)
        if known is not None:
            return known
        pool = list(self._of("pool", skills))
        if not pool:
            raise PromptSetError(
                f"the pool of {self.base.name} has no prompt of the skills {', '.join(skills or ('any',))}; "
                "leave this recipe out, or give prompts that have them."
            )
        steered = [
            prompt
            for prompt in self._of("validation", skills)
            if not self.halved or half(prompt, self.salt) == "steered"
        ]
        writer = PromptSetWriter(
            self.store, name=f"bench-{digest[:12]}", digest=digest, source=self.base.source, salt=self.base.salt
        )
        for split, rows in (("pool", pool), ("validation", steered)):
            writer.write_part(split, rows, open_part(self.store, self.base, split).manifest.packs)
        return writer.finish(self._fingerprints())

    def _of(self, split: str, skills: Sequence[str] | None) -> Iterator[Prompt]:
        return (p for p in open_part(self.store, self.base, split).rows() if skills is None or p.skill in skills)

    def _fingerprints(self) -> list[Fingerprint]:
        """Of what must not be learned: the base's holdout and report."""
        if self.base.fingerprints is None:
            return []
        return list(Artifact.open(self.store, self.base.fingerprints, FINGERPRINTS).rows())


def half(prompt: Prompt, salt: str) -> str:
    """The half of an imported set's validation that a prompt is in: all that share its pictures are in the same."""
    return split_of(prompt.split_key, f"bench-{salt}", STEERED)


def tinyworld_ground(store: Store, seed: ModelRef, pool: int, items: int, salt: str, loop: str = "bench") -> Ground:
    """A pool, prompts to look at, and items, drawn for this comparison alone."""
    sizes = PromptsConfig(pool=pool, validation=STEERING, holdout=items)
    base = tinyworld_set(
        store,
        salt=f"bench-methods-{salt}",
        config=sizes,
        splits=("pool", "validation", "holdout"),
        name=f"bench-{salt}",
    )
    part = open_part(store, base, "holdout")
    return Ground(store, loop, seed, base, tuple(part.rows()), ImageBank(store, part.manifest.packs), salt)


def imported_ground(store: Store, seed: ModelRef, name: str, items: int, salt: str, loop: str) -> Ground:
    """An imported set's pool, and at most `items` prompts of the half of its validation split that is measured.

    Raises PromptSetError where nothing is left to measure.
    """
    base = open_set(store, name)
    part = open_part(store, base, "validation")
    measured = [p for p in part.rows() if half(p, salt) == "measured"][:items]
    if not measured:
        raise PromptSetError(
            f"prompt set {base.name} has {part.manifest.rows} validation prompts, of which none is left to measure; "
            "import it with a larger share of validation."
        )
    return Ground(store, loop, seed, base, tuple(measured), ImageBank(store, part.manifest.packs), salt, halved=True)
