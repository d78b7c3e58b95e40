"""How autonomous a round is: who supplies prompts, answers, verification and decision, and the level A0..A5 of that.

A0 all human; A1 answers and checks from a stronger model; A2 own answers, labels or rules check; A3 own answers, another
model or a small scorer checks; A4 the model checks itself; A5 own questions too, from unlabelled images, self or
environment checks, the pipeline decides. Own answers that nobody checks are A2, however they were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from ratchet.recipe import EndpointConfig, JudgeConfig, Recipe
from ratchet.recipe.judges import SEED
from ratchet.recipe.strategies import ReferenceConfig, StrategyConfig
from ratchet.recipe.strategies.questions import AskingBase, VotingBase
from ratchet.recipe.verifiers import VerifierBase
from ratchet.records import Record

Supplier = Literal["human", "external", "rule", "environment", "self"]
Checker = Literal["nobody", "human", "external", "rule", "environment", "self"]
Level = Literal["A0", "A1", "A2", "A3", "A4", "A5"]

ORDER: tuple[Supplier, ...] = ("human", "rule", "external", "environment", "self")
"""From least to most autonomous. A person; what people wrote down once (a label, a rule, a procedural world); another
model, which needs no person but knows more; the world in which the model acts, which knows nothing of its task; itself."""

CHECKERS: tuple[Checker, ...] = ("nobody", *ORDER)
"""Who may verify, in the same order: leaving a check out is less than any check."""

LEVELS: Mapping[Level, str] = {
    "A0": "people, or what they wrote down, answer",
    "A1": "another model answers",
    "A2": "the model answers, labels or rules check, or nobody does",
    "A3": "the model answers, another model checks",
    "A4": "the model answers, itself or its environment checks",
    "A5": "the model asks and answers, itself or its environment checks, the pipeline decides",
}

GENERATED = ("generated", "synthetic")
"""Words in an imported set's source or name that say that another model made its prompts."""

_ASKS: Mapping[Supplier, str] = {
    "human": "people ask",
    "rule": "a procedural world asks",
    "external": "another model asks",
    "environment": "an environment asks",
    "self": "the model asks",
}
_ANSWERS: Mapping[Supplier, str] = {
    "human": "people's labels stand for answers",
    "rule": "a rule's labels stand for answers",
    "external": "another model answers",
    "environment": "an environment's records stand for answers",
    "self": "the model answers",
}
_CHECKS: Mapping[Checker, str] = {
    "nobody": "nobody checks",
    "human": "people check",
    "rule": "labels or rules check",
    "external": "another model checks",
    "environment": "an environment checks",
    "self": "the model checks itself",
}
_DECIDES: Mapping[Supplier, str] = {
    "human": "a person decides",
    "rule": "the gate decides",
    "external": "another model decides",
    "environment": "an environment decides",
    "self": "the model decides",
}


class Autonomy(Record):
    """Who supplies each of four things."""

    prompts: Supplier
    answers: Supplier
    verification: Checker
    decision: Supplier


class Part(Autonomy):
    """One strategy of a round's mixture with its share of the prompts (0..1). `checked` is False where nobody checks."""

    strategy: str
    share: float
    checked: bool = True
    level: Level


class RoundAutonomy(Autonomy):
    """A round's suppliers and level: those of the least autonomous part of its mixture, and a sentence for people."""

    level: Level
    checked: bool = True
    sentence: str
    mixture: tuple[Part, ...]


def level(of: Autonomy) -> Level:
    """The level of any combination. More autonomy (`ORDER`, `CHECKERS`) in one of the four never lowers it.

    Answers decide first: people's and rules' are labels (A0); another model's, and records that an environment gives,
    are not the model's own (A1), whoever checks them. For the model's own answers the check decides: nobody, a person or a rule
    (A2), another model (A3), itself or its environment (A4). A4 becomes A5 where the model also asks and no person
    decides: own questions that labels or another model check stay at A2 or A3, for these know what the model does not.

    Edge cases: the prompts' supplier matters for A5 alone, since the definitions name it only there. Strategy reference
    is A0, with people's labels or a procedural world's: a rule that people wrote knows what a labeller knows. Where
    nobody checks, own answers have the lowest level that they can have: a recipe does not rise by dropping its checks.
    """
    if of.answers != "self":
        return "A0" if of.answers in ("human", "rule") else "A1"
    if of.verification in ("nobody", "human", "rule"):
        return "A2"
    if of.verification == "external":
        return "A3"
    return "A5" if of.prompts == "self" and of.decision != "human" else "A4"


def autonomy_of(recipe: Recipe, source: str = "") -> RoundAutonomy:
    """Who supplies what for a recipe whose prompts come from an imported set described by `source` (its name and source).

    Negatives do not count: they are rejected, whoever made them. The gate, a rule, decides; see `decided_by_person`.
    """
    total = sum(one.weight for one in recipe.generate.strategy)
    return _whole([_part(one, recipe, source, one.weight / total) for one in recipe.generate.strategy])


def decided_by_person(recorded: RoundAutonomy) -> RoundAutonomy:
    """The same round where a person moved the alias to its candidate."""
    parts = [one.model_copy(update={"decision": "human"}) for one in recorded.mixture]
    return _whole([one.model_copy(update={"level": level(one)}) for one in parts])


def _part(one: StrategyConfig, recipe: Recipe, source: str, share: float) -> Part:
    answers = _answers(one, recipe)
    suppliers = Autonomy(
        prompts=answers if isinstance(one, AskingBase) else _prompts(recipe, source),
        answers=answers,
        verification=_verification(one, recipe, answers),
        decision="rule",
    )
    return Part(
        **suppliers.model_dump(),
        strategy=one.name,
        share=round(share, 4),
        checked=suppliers.verification != "nobody",
        level=level(suppliers),
    )


def _prompts(recipe: Recipe, source: str) -> Supplier:
    """Whose questions the pool holds. A set of pictures whose one question the importer gave counts as people's."""
    if recipe.prompts.source == "tinyworld" and recipe.prompts.pictures is None:
        return "rule"
    return "external" if any(word in source.lower() for word in GENERATED) else "human"


def _answers(one: StrategyConfig, recipe: Recipe) -> Supplier:
    if isinstance(one, ReferenceConfig) or getattr(one, "answers", None) == "reference":
        return "rule" if recipe.prompts.source == "tinyworld" else "human"
    engine = recipe.generate.engine
    return "external" if isinstance(engine, EndpointConfig) and engine.serves == "teacher" else "self"


def _verification(one: StrategyConfig, recipe: Recipe, answers: Supplier) -> Checker:
    """The least autonomous of the verifiers.

    Verifiers that compare with what the model itself said most often are the model. A question without a label can only
    be checked by a verifier that the recipe names: one that the model asked, or the one question of a pool of pictures.
    """
    chosen = recipe.verify.verifiers
    if recipe.verify.policy == "none":
        return "nobody"
    if isinstance(one, VotingBase) and one.label == "votes":
        return answers
    if chosen is None and (isinstance(one, VotingBase) or recipe.prompts.pictures is not None):
        return "nobody"
    # What looks at the form alone says nothing of right and wrong, unless nothing else does.
    checking = [one for one in chosen or () if one.evidence != "form"]
    return min((_checker(config, recipe, answers) for config in checking), key=ORDER.index, default="rule")


def _checker(config: VerifierBase, recipe: Recipe, answers: Supplier) -> Supplier:
    """Who a verifier is. A judge that is the round's seed is the model itself, and so are its votes."""
    if config.labelled:
        return "rule"
    if config.evidence == "votes":
        return answers
    if config.evidence == "environment":
        return "environment"
    if config.evidence != "model":
        return "rule"
    judge = recipe.verify.judges.get(str(getattr(config, "judge", SEED)), JudgeConfig())
    served = isinstance(judge.engine, EndpointConfig) and judge.engine.serves == "teacher"
    itself = judge.model == SEED and not served and getattr(config, "model", None) in (None, SEED)
    return answers if itself else "external"


def _whole(parts: Sequence[Part]) -> RoundAutonomy:
    least = min(parts, key=lambda part: (part.level, -part.share))
    return RoundAutonomy(
        **least.model_dump(include=set(Autonomy.model_fields)),
        level=least.level,
        checked=least.checked,
        sentence=_sentence(least, parts),
        mixture=tuple(parts),
    )


def _sentence(least: Part, parts: Sequence[Part]) -> str:
    # Older rounds recorded another supplier where nobody checked.
    checks = _CHECKS[least.verification if least.checked else "nobody"]
    both = least.prompts == least.answers == "self"
    makes = "the model asks and answers" if both else f"{_ASKS[least.prompts]}, {_ANSWERS[least.answers]}"
    said = f"{makes}, {checks}, and {_DECIDES[least.decision]}"
    if len({part.level for part in parts}) == 1:
        return f"{least.level}: {said}."
    mixed = ", ".join(f"{part.strategy} {part.share:.0%} at {part.level}" for part in parts)
    return f"{least.level}, the level of the least autonomous part of a mixture ({mixed}): {said}."
