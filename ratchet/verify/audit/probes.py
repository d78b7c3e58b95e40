"""Texts whose truth is known by how they were made: the reference, the same in other words, and the reference made wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from ratchet.generate.negatives.english import ENGLISH
from ratchet.generate.negatives.injection import inject
from ratchet.generate.negatives.lexicon import Lexicon
from ratchet.generate.sampling import derived_seed
from ratchet.recipe.negatives import Words
from ratchet.records import Prompt
from ratchet.verify.protocol import Rule, Verifier
from ratchet.verify.text import items, normalise

Sort = Literal["gold", "form", "corrupted"]
TINYWORLD = "tinyworld"
SENTENCE = "the answer is {}"
OTHER, IN_A_SENTENCE = "other_answer", "in_a_sentence"
FACTS: Mapping[str, tuple[str, str | None]] = {
    "inject_object": ("object", "replace"),
    "inject_insert": ("object", "insert"),
    "inject_attribute": ("attribute", None),
    "inject_relation": ("relation", None),
    "inject_count": ("count", None),
}
RULE = "rule_"
NEAR_ENOUGH = frozenset({"iou", "detection", "point", "chart"})
"""Rules to which a number that is a little different is right, or as good as right."""
_SHORT_WORDS = 12
_MARKUP = re.compile(r"[{}<>\[\]\\\n]")
_LETTERS = re.compile(r"[^\W\d_]{2,}(?:[ ,]+[^\W\d_]{2,})*")


class Probe(NamedTuple):
    """`kind` is the form, or the corruption. `of` is the place of the probe that a sentence says in other words."""

    text: str
    sort: Sort
    kind: str
    of: int | None = None


def probes(
    prompt: Prompt, others: Sequence[Prompt], verifiers: Mapping[str, Verifier], lexicon: Lexicon, seed: int
) -> tuple[Probe, ...]:
    """All probes of a prompt; none where nobody can say what is right. `others` are prompts of the same skill, whose
    references may be wrong here."""
    right = gold(prompt, verifiers)
    if not right:
        return ()
    free = prompt.environment is None  # what an environment carries out has no other words
    made = [Probe(right, "gold", "plain"), *(Probe(text, "form", kind) for kind, text in forms(right, free))]
    # By text: two ways to the same wrong answer are one probe.
    wrong: dict[str, str] = {}
    for kind, text in corruptions(prompt, others, verifiers, lexicon, seed):
        # A rule knows where the order counts; everyone else's list in another order is the same list.
        alike = normalise(text) == normalise(right) if kind.startswith(RULE) else same(text, right)
        if text.strip() and not alike:
            wrong.setdefault(text, kind)
    first = len(made)
    made += [Probe(text, "corrupted", kind) for text, kind in wrong.items()]
    if wrong and free and _is_short(right):
        made.append(Probe(SENTENCE.format(next(iter(wrong))), "corrupted", IN_A_SENTENCE, first))
    return tuple(made)


def gold(prompt: Prompt, verifiers: Mapping[str, Verifier]) -> str:
    """What a right answer to the prompt looks like: the reference, or what its own rules make of one that is no answer yet."""
    rules = [one for name in prompt.verifiers if isinstance(one := verifiers.get(name), Rule) and one.gold is not None]
    return (rules[0].right_answer(prompt) if rules else None) or prompt.reference or ""


def lexicon_for(words: Words | None, prompts: Iterable[Prompt]) -> Lexicon:
    """The words that corruptions exchange; None: the tiny world's for its own prompts, else English."""
    if (words or (TINYWORLD if all(prompt.source == TINYWORLD for prompt in prompts) else "english")) == TINYWORLD:
        from ratchet.tinyworld.lexicon import tinyworld_lexicon

        return tinyworld_lexicon()
    return ENGLISH


def forms(reference: str, free: bool = True) -> Iterator[tuple[str, str]]:
    """The reference as another model might put it, by name. Only what does not change its meaning: code is tagged, and
    what may be a symbol keeps its case. Not `free`: it is tagged and nothing else."""
    yield "tagged", f"<answer>{reference}</answer>"
    if not free or not _is_short(reference):
        return
    yield "boxed", f"\\boxed{{{reference}}}"
    yield "sentence", SENTENCE.format(reference)
    yield "punctuated", f"{reference}."
    if _LETTERS.fullmatch(reference) and reference.upper() != reference:
        yield "upper", reference.upper()


def corruptions(
    prompt: Prompt, others: Sequence[Prompt], verifiers: Mapping[str, Verifier], lexicon: Lexicon, seed: int
) -> Iterator[tuple[str, str]]:
    """Wrong answers made from the reference, by kind: the rules' own, one wrong fact of each sort, another's reference."""
    reference = prompt.reference or ""
    for name in prompt.verifiers:
        corrupt = getattr(verifiers.get(name), "corrupt", None)
        if corrupt is not None:
            yield f"{RULE}{name}", corrupt(prompt)
    if prompt.environment is not None:
        return
    near = not NEAR_ENOUGH.isdisjoint(prompt.verifiers)
    for kind, (fact, mode) in FACTS.items():
        if near and fact == "count":
            continue
        drawn = derived_seed(seed, kind, prompt.id)
        found = inject(reference, fact, drawn, lexicon, question=prompt.question, mode=mode)
        if found is not None:
            yield kind, found.text
    different = [one for one in others if one.reference and not same(one.reference, reference)]
    if different:
        yield OTHER, different[derived_seed(seed, OTHER, prompt.id) % len(different)].reference or ""


def same(text: str, reference: str) -> bool:
    """Whether two answers say the same to the eye: equal when normalised, or the same list in another order."""
    return normalise(text) == normalise(reference) or sorted(items(text)) == sorted(items(reference))


def _is_short(reference: str) -> bool:
    return len(reference.split()) <= _SHORT_WORDS and not _MARKUP.search(reference)
