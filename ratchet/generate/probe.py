"""Asking the seed prompts of `validation`, which is all that a plan may look at."""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.artifacts import Artifact
from ratchet.errors import SamplingError
from ratchet.generate.choosing import choose
from ratchet.generate.tally import failed
from ratchet.promptset import open_part
from ratchet.records import Group, Prompt, Record
from ratchet.stage import StageContext


class Probed(Record):
    """How a probe went: prompts asked, of which the engine answered none (`unanswered`) or no verifier could tell
    (`unscored`). Both count as nothing: neither right nor wrong. Over several temperatures all are counted."""

    name: str
    asked: int
    unanswered: int = 0
    unscored: int = 0


def open_validation(context: StageContext, name: str) -> Artifact[Prompt]:
    """The validation split of the round's prompt set. `name` is the setting that wants it.

    Raises SamplingError when the set has none, or an empty one.
    """
    prompts = context.prompt_set()
    if not prompts.rows.get("validation") or "validation" not in prompts.parts:
        raise SamplingError(
            f"generate.{name} asks prompts of the validation split, but prompt set {prompts.name} has none; "
            f"raise prompts.validation, import a set with one, or remove generate.{name}."
        )
    return open_part(context.store, prompts, "validation")


def drawn(part: Artifact[Prompt], most: int, salt: str) -> list[Prompt]:
    """At most `most` prompts of a split, by their salted hash: the same ones for every shard."""
    choice = choose(part, most, salt)
    return [prompt for prompt in part.rows() if choice.takes(prompt)]


def verdict(rights: Sequence[bool | None]) -> bool | None:
    """Whether one of a prompt's answers is right; None where no verifier could tell."""
    if True in rights:
        return True
    return None if None in rights or not rights else False


def answered(groups: Sequence[Group]) -> list[Group]:
    """Those to whose prompt the engine gave an answer."""
    return [group for group in groups if not failed(group)]


def check(probed: Probed, max_error_share: float) -> Probed:
    """The same, if it shows anything. Raises SamplingError when too many got no answer, or none could be judged."""
    if probed.unanswered > max_error_share * probed.asked:
        raise SamplingError(
            f"generate.{probed.name}: {probed.unanswered} of {probed.asked} probe prompts got no answer, more than "
            f"generate.max_error_share {max_error_share:g}. Mend the cause and run the stage again, or raise it."
        )
    if probed.unanswered + probed.unscored >= probed.asked:
        raise SamplingError(
            f"generate.{probed.name}: no verifier could judge any of {probed.asked} probe prompts; the validation "
            f"prompts need a reference and rule verifiers. Import them with both, or remove generate.{probed.name}."
        )
    return probed
