"""One deliberately bad completion, before the model has said anything: what it is shown, or what its text is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ratchet.artifacts import ImageBank
from ratchet.canonical import sha256
from ratchet.generate.engine import Answer, Request, joined
from ratchet.generate.negatives.pictures import corrupt, encode
from ratchet.generate.negatives.pictures import settle as settled
from ratchet.generate.sampling import derived_seed
from ratchet.records import Completion, Group, ImageRef, Negative

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURE, PICTURES, QUESTION, REFERENCE = "picture:", "pictures", "question", "reference"


@dataclass(frozen=True)
class Base:
    """A right answer that a negative is made from. `parent` names it: `completion:<index>`, or `reference`."""

    text: str
    parent: str
    model: str
    n_tokens: int
    index: int | None


@dataclass(frozen=True)
class Draft:
    """A negative to be. With a request the model answers it; else `text` is the answer, made from `base`.

    `shown` is what a completion without a request is shown (`use: input`).
    """

    negative: Negative
    request: Request | None = None
    shown: Request | None = None
    text: str = ""
    base: Base | None = None


def base_of(group: Group, rights: Sequence[bool | None]) -> Base | None:
    """The group's first answer that is right; where no verifier knows, its first; else the prompt's reference."""
    whole = [(c, ok) for c, ok in zip(group.completions, rights, strict=True) if _usable(c)]
    known = any(ok is not None for _, ok in whole)
    for completion, ok in whole:
        if ok or not known:
            parent = f"completion:{completion.index}"
            return Base(completion.text, parent, completion.model, completion.n_tokens, completion.index)
    if group.prompt.reference:
        return Base(group.prompt.reference, REFERENCE, REFERENCE, 0, None)
    return None


def _usable(completion: Completion) -> bool:
    return completion.negative is None and completion.finish_reason == "stop" and bool(completion.text)


def worse_pictures(
    images: Sequence[ImageRef], kind: str, params: Mapping[str, float], seed: int, only: int | None, bank: ImageBank
) -> tuple[tuple[ImageRef, ...], Negative]:
    """The pictures (or only that at place `only`) corrupted and put into the bank, and how."""
    chosen = settled(kind, params)
    made = tuple(
        _kept(worse_picture(ref, kind, chosen, seed, place, bank), bank) if only in (None, place) else ref
        for place, ref in enumerate(images)
    )
    if only is None:
        return made, Negative(kind=kind, params=chosen, seed=seed, parent=PICTURES)
    # Two of a prompt's pictures may be the same: the hash alone would not say which was touched.
    words = {"at": str(only)}
    return made, Negative(kind=kind, params=chosen, words=words, seed=seed, parent=f"{PICTURE}{images[only].sha256}")


def _kept(picture: Image, bank: ImageBank) -> ImageRef:
    data = encode(picture)
    ref = ImageRef(sha256=sha256(data), media_type="image/png", width=picture.width, height=picture.height)
    return bank.add(data, ref)


def worse_picture(
    ref: ImageRef, kind: str, params: Mapping[str, float], seed: int, place: int, bank: ImageBank
) -> Image:
    """The corrupted picture at `place` of its prompt."""
    return corrupt(bank.image(ref.sha256), kind, params, derived_seed(seed, place))


def made_again(negative: Negative, images: Sequence[ImageRef], bank: ImageBank) -> list[bytes]:
    """The pictures of a negative once more, bit for bit, from its prompt's `images` and what the row records.

    For the kinds that corrupt pictures. A swapped picture is in the pool: `negative.words["picture"]` is its hash.
    """
    kind = negative.words.get("corruption", negative.kind)
    found = []
    for place, ref in enumerate(images):
        touched = negative.words.get("at", str(place)) == str(place)
        found.append(
            encode(worse_picture(ref, kind, negative.params, negative.seed, place, bank))
            if touched
            else bank.bytes(ref.sha256)
        )
    return found


def refilled(draft: Draft, answer: Answer) -> str:
    """The text of a request's answer with what it went on from."""
    assert draft.request is not None
    return joined(draft.request.begun, answer.text)
