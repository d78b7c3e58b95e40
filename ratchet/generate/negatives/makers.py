"""One function per family of negatives: drafts for one group, or none where it has nothing to make worse."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ratchet.artifacts import ImageBank
from ratchet.generate.engine import Request
from ratchet.generate.negatives.drafts import PICTURE, QUESTION, Base, Draft, worse_pictures
from ratchet.generate.negatives.injection import inject
from ratchet.generate.negatives.lexicons import lexicon_of
from ratchet.generate.negatives.words import TEMPLATES, misleading, spans
from ratchet.generate.sampling import derived_seed
from ratchet.generate.strategies.guided.steps import asked
from ratchet.recipe.negatives import (
    InjectedNegative,
    MaskedNegative,
    MisleadingNegative,
    MixedNegative,
    PictureNegative,
    SticNegative,
    SwapNegative,
)
from ratchet.records import Group, ImageRef, Negative

EDITED = "edited"


@dataclass(frozen=True)
class Case:
    """What a maker gets: a group, its right answer if it has one, a seed and an id of its own, and the pictures.

    `others` are pictures of the chunk's other prompts, by hash.
    """

    group: Group
    base: Base | None
    seed: int
    id: str
    bank: ImageBank
    others: Mapping[str, ImageRef]

    @property
    def images(self) -> tuple[ImageRef, ...]:
        return self.group.prompt.images

    def request(self, **changes: Any) -> Request:
        """The prompt as a request with something changed."""
        prompt = self.group.prompt
        given = {"messages": prompt.messages, "images": prompt.images, "skill": prompt.skill, **changes}
        return Request(self.id, **given)


def pictures(config: PictureNegative, case: Case) -> Draft | None:
    """Corrupted pictures, answered by the model or beside a right answer."""
    only = None if config.pictures == "all" else random.Random(case.seed).randrange(len(case.images))
    made, negative = worse_pictures(case.images, config.kind, config.params, case.seed, only, case.bank)
    return _used(config.use, case, case.request(images=made), negative)


def swap(config: SwapNegative, case: Case) -> Draft | None:
    """One picture exchanged for another prompt's of the same file, which is the reach of `others`."""
    own = {ref.sha256 for ref in case.images}
    others = sorted(sha for sha in case.others if sha not in own)
    if not others:
        return None
    rng = random.Random(case.seed)
    place, other = rng.randrange(len(case.images)), rng.choice(others)
    images = tuple(case.others[other] if at == place else ref for at, ref in enumerate(case.images))
    parent = f"{PICTURE}{case.images[place].sha256}"
    negative = Negative(
        kind="swap", params={"at": float(place)}, words={"picture": other}, seed=case.seed, parent=parent
    )
    return _used(config.use, case, case.request(images=images), negative)


def stic(config: SticNegative, case: Case) -> Draft | None:
    """A misleading prompt, or else a corrupted picture: a coin decides, as in STIC."""
    if random.Random(derived_seed(case.seed, "coin")).random() < config.misleading:
        return _misled(config, case)
    made, negative = worse_pictures(case.images, "stic", config.params, case.seed, None, case.bank)
    return Draft(negative, case.request(images=made))


def mislead(config: MisleadingNegative, case: Case) -> Draft | None:
    """A question that invites what is not there."""
    return _misled(config, case)


def _misled(config: SticNegative | MisleadingNegative, case: Case) -> Draft:
    prompt = case.group.prompt
    text = misleading(prompt.question, case.seed, config.templates or _templates(config.words))
    negative = Negative(kind="misleading", words={"question": text}, seed=case.seed, parent=QUESTION)
    return Draft(negative, case.request(messages=asked(prompt.messages, text)))


def injected(config: InjectedNegative, case: Case) -> Draft | None:
    """A right answer with one wrong fact. The facts are tried in an order that the seed draws."""
    if case.base is None:
        return None
    lexicon, question = lexicon_of(config.words), case.group.prompt.question
    for fact in random.Random(case.seed).sample(config.facts, len(config.facts)):
        if fact == "insert":
            found = inject(case.base.text, "object", case.seed, lexicon, question=question, mode="insert")
        else:
            mode = "replace" if fact == "object" else None
            found = inject(case.base.text, fact, case.seed, lexicon, question=question, mode=mode)
        if found is not None:
            words = {"fact": fact, "words": config.words, "from": found.before, "to": found.after}
            negative = Negative(
                kind="inject", params={"at": float(found.at)}, words=words, seed=case.seed, parent=case.base.parent
            )
            return Draft(negative, text=found.text, base=case.base)
    return None


def masked(config: MaskedNegative, case: Case) -> Draft | None:
    """The end of a right answer, written anew by a model that sees less of the picture."""
    if case.base is None:
        return None
    begun, removed = spans(case.base.text, case.seed, config.words)
    made, corruption = worse_pictures(case.images, "patches", config.params, case.seed, None, case.bank)
    negative = corruption.model_copy(
        update={
            "kind": "mask_answer",
            "parent": case.base.parent,
            "words": {"corruption": "patches", "begun": begun, "removed": removed},
        }
    )
    return Draft(negative, case.request(images=made, begun=begun))


def mixed(config: MixedNegative, case: Case) -> Draft | None:
    """Decoded with less of the picture than there is."""
    params = {"weight": config.weight, "forget": config.forget}
    negative = Negative(kind="mix", params=params, seed=case.seed, parent="pictures")
    return Draft(negative, case.request(mix=config.weight, forget=config.forget))


def _used(use: str, case: Case, request: Request, negative: Negative) -> Draft | None:
    """The model answers the request, or a right answer of the group stands beside it."""
    if use == "answer":
        return Draft(negative, request)
    if case.base is None or case.base.index is None:
        return None
    return Draft(negative.model_copy(update={"use": "input"}), shown=request, text=case.base.text, base=case.base)


def _templates(words: str) -> Sequence[str]:
    if words == "tinyworld":
        from ratchet.tinyworld.lexicon import MISLEADING

        return MISLEADING
    return TEMPLATES


Maker = Callable[[Any, Case], Draft | None]
MAKERS: Mapping[type[Any], Maker] = {
    PictureNegative: pictures,
    SwapNegative: swap,
    SticNegative: stic,
    MisleadingNegative: mislead,
    InjectedNegative: injected,
    MaskedNegative: masked,
    MixedNegative: mixed,
}
