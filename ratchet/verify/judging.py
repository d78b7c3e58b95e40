"""Which answers are right by what their prompts themselves ask: the judgement of evaluation, for whoever needs it before."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ratchet.artifacts import ImageBank
from ratchet.recipe import VerifyConfig
from ratchet.records import Group
from ratchet.verify.applying import verdicts_of
from ratchet.verify.environments import for_prompts
from ratchet.verify.policy import judge

Rights = Callable[[Sequence[Group]], list[list[bool | None]]]
"""Says for each completion whether it is right; None where it cannot tell."""
EVERY = VerifyConfig(verifiers=None, policy="all")
"""What each prompt itself names, and all must pass: no recipe can make it easier."""


def rights(
    groups: Sequence[Group], timeout_seconds: float = EVERY.timeout_seconds, bank: ImageBank | None = None
) -> list[list[bool | None]]:
    """For each completion whether it is right; None where the verifiers cannot tell. Verdicts are made anew, not added.

    Raises VerifierError for a verifier that is not known, VerifierUnavailable for one that looks at pictures without `bank`.
    """
    judged = verdicts_of(groups, None, timeout_seconds, for_prompts(bank))
    return [[judge(verdicts, EVERY).passed for verdicts in lists] for lists in judged]
