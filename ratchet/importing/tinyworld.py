"""Prompt sets drawn from the tiny world: fresh items for every salt, with an answer key and no labels to buy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from ratchet import canonical
from ratchet.artifacts import ImageBank, Pack, write_pack
from ratchet.errors import PromptSetError
from ratchet.filter.fingerprints import fingerprints_of
from ratchet.promptset import Fingerprint, PromptSet, PromptSetWriter, find
from ratchet.recipe import PromptsConfig
from ratchet.records import Prompt
from ratchet.store import Store
from ratchet.tinyworld.world import SKILLS, VERSION, Item, items, prompt_of

SOURCE = "tinyworld"
ENDLESS = 1 << 62
PROTECTED = ("holdout", "report")
"""Drawn first: another split that came upon the same prompt or picture draws again."""


def family() -> str:
    """Looks at any holdout of this world are counted together."""
    return canonical.digest([SOURCE, VERSION])


def set_digest(salt: str, config: PromptsConfig, splits: Sequence[str]) -> str:
    """The set's digest, known before anything is drawn. Only what concerns the named splits counts."""
    sizes = {split: _size(config, split) for split in splits}
    return canonical.digest([SOURCE, VERSION, salt, sizes, config.skills])


def tinyworld_set(store: Store, *, salt: str, config: PromptsConfig, splits: Sequence[str], name: str) -> PromptSet:
    """Draw the named splits and write them as a prompt set; at once where it exists, going on where it was cut off.

    The same salt and configuration make the same set on any machine. No prompt and no picture is in two splits.
    """
    digest = set_digest(salt, config, splits)
    known = find(store, digest)
    if known is not None:
        return known
    writer = PromptSetWriter(store, name=name, digest=digest, source=SOURCE, salt=salt, family=family())
    taken: set[str] = set()
    fingerprints: list[Fingerprint] = []
    for split in sorted(splits, key=lambda split: split not in PROTECTED):
        # Endless, so that an item that is taken already is replaced by a later one.
        stream = items(split, ENDLESS, _seed(salt, split), skills=config.skills or SKILLS)
        prompts, packs = prompts_of(
            store, f"{writer.prefix}/images/{split}.parquet", stream, most=_size(config, split), taken=taken
        )
        writer.write_part(split, prompts, packs)
        if split in PROTECTED:
            fingerprints.extend(fingerprints_of(prompts, ImageBank(store, packs)))
    return writer.finish(fingerprints)


def prompts_of(
    store: Store, key: str, drawn: Iterable[Item], *, most: int | None = None, taken: set[str] | None = None
) -> tuple[list[Prompt], list[Pack]]:
    """Draw items (`most` of them) as prompts, and write their pictures as one pack at `key`.

    Items whose prompt or picture is in `taken` already are left out; what is drawn is added to it.
    """
    met = set() if taken is None else taken
    prompts: list[Prompt] = []
    pictures: dict[str, bytes] = {}
    for prompt, images in map(prompt_of, drawn if most != 0 else ()):
        names = {prompt.id, *images}
        if met & names:
            continue
        met |= names
        prompts.append(prompt)
        pictures.update(images)
        if len(prompts) == most:
            break
    return prompts, [write_pack(store, key, pictures.items())]


def check_skills(config: PromptsConfig) -> None:
    """Raise PromptSetError for a skill that the tiny world does not have."""
    unknown = [skill for skill in config.skills or () if skill not in SKILLS]
    if unknown:
        raise PromptSetError(f"skill {unknown[0]!r} is not one of the tiny world's: use {', '.join(SKILLS)}")


def _size(config: PromptsConfig, split: str) -> int:
    sizes = {"pool": config.pool, "validation": config.validation, "holdout": config.holdout, "report": config.report}
    if split not in sizes:
        raise PromptSetError(f"split {split!r} is none of a prompt set's; use {', '.join(sizes)}.")
    return sizes[split]


def _seed(salt: str, split: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{salt}:{split}".encode()).digest()[:8], "big")
