"""The tiny world: pictures and questions without end, whose answers are known because we drew the pictures.

An item is fixed by (split, seed, index, skill): nothing else, so a stage can draw item 7,312 alone or start in the
middle. Splits never share a random seed, nor handwriting.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from PIL import Image

from ratchet.errors import PromptSetError
from ratchet.records import ImageRef, Message, Prompt
from ratchet.tinyworld import digits, draw
from ratchet.tinyworld.questions import ASK, MOST
from ratchet.tinyworld.scene import Scene

SKILLS = tuple(ASK)
SPLITS = tuple(digits.PARTS)
VERIFIERS: dict[str, tuple[str, ...]] = {
    "count": ("numeric",),
    "exist": ("yes_no",),
    "read": ("exact",),
    "add": ("numeric",),
    "locate": ("exact",),
    "compare": ("choice",),
    "caption": ("objects",),
    "relation": ("exact",),
    "pair": ("choice",),
}
VERSION = 1
"""Part of each item's random seed: raise it when a change alters items on purpose."""
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Item:
    """A question, the scenes it is about, and its answer."""

    split: str
    seed: int
    index: int
    skill: str
    question: str
    answer: str
    difficulty: float
    scenes: tuple[Scene, ...]

    @property
    def verifiers(self) -> tuple[str, ...]:
        """Names of what checks an answer against `answer`."""
        return VERIFIERS[self.skill]

    @cached_property
    def pictures(self) -> tuple[Image.Image, ...]:
        """The pictures in the order the question means them; drawn when first asked for."""
        return tuple(draw.picture(scene) for scene in self.scenes)

    @property
    def handwriting(self) -> tuple[int, ...]:
        """Sample numbers of the digits shown."""
        return tuple(t.sample for scene in self.scenes for t in scene.things if t.sample is not None)


def random_seed(split: str, seed: int, index: int, skill: str) -> int:
    """The item's random seed: 60 hashed bits above which the split's number gives each split a range of its own."""
    digest = hashlib.blake2b(f"{VERSION}/{seed}/{index}/{skill}".encode(), digest_size=8).digest()
    return (SPLITS.index(split) << 60) | (int.from_bytes(digest) >> 4)


def item_at(split: str, seed: int, index: int, skill: str, *, most: int = MOST) -> Item:
    """Draw one item. `most` caps the things in a scene (the seed's curriculum starts low)."""
    if split not in SPLITS:
        raise PromptSetError(f"split {split!r} is not one of the tiny world's: use {', '.join(SPLITS)}")
    if skill not in ASK:
        raise PromptSetError(f"skill {skill!r} is not one of the tiny world's: use {', '.join(SKILLS)}")
    asked = ASK[skill](random.Random(random_seed(split, seed, index, skill)), split, most)
    return Item(split, seed, index, skill, asked.text, asked.answer, asked.difficulty, asked.scenes)


def items(
    split: str,
    n: int,
    seed: int,
    *,
    skills: Sequence[str] = SKILLS,
    weights: Mapping[str, float] | None = None,
    start: int = 0,
    most: int = MOST,
) -> Iterator[Item]:
    """Items `start` to `start + n - 1` of a split. Item i is the same whatever `n` and `start` are.

    Skills take turns, so their shares are equal; with `weights` (skill -> weight, absent = 0) their shares follow the
    weights as evenly as the numbers allow.
    """
    for index in range(start, start + n):
        yield item_at(split, seed, index, _skill_at(index, skills, weights), most=most)


def _skill_at(index: int, skills: Sequence[str], weights: Mapping[str, float] | None) -> str:
    if weights is None:
        return skills[index % len(skills)]
    known = [skill for skill in skills if weights.get(skill, 0) > 0]
    if not known:
        raise PromptSetError(f"no skill of {', '.join(skills)} has a weight above 0: give at least one")
    # Multiples of the golden ratio, modulo 1, fill the unit interval evenly from any start.
    point = (index + 0.5) * _GOLDEN % 1 * sum(weights[skill] for skill in known)
    for skill, edge in zip(known, accumulate(weights[skill] for skill in known), strict=True):
        if point < edge:
            return skill
    return known[-1]


def prompt_of(item: Item) -> tuple[Prompt, dict[str, bytes]]:
    """The item as a prompt, and the PNG bytes of its pictures by SHA-256."""
    encoded = [draw.png(picture) for picture in item.pictures]
    refs = [
        ImageRef(sha256=hashlib.sha256(body).hexdigest(), media_type="image/png", width=draw.SIDE, height=draw.SIDE)
        for body in encoded
    ]
    prompt = Prompt.make(
        messages=(Message(role="user", content=item.question),),
        images=refs,
        skill=item.skill,
        source="tinyworld",
        # Pictures that share a prompt share a key; here no picture is ever in a second prompt, so the first names it.
        split_key=refs[0].sha256,
        reference=item.answer,
        verifiers=item.verifiers,
        difficulty=item.difficulty,
        licence=digits.LICENCE,
    )
    return prompt, {ref.sha256: body for ref, body in zip(refs, encoded, strict=True)}
