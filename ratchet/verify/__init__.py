"""Verifiers: rules that check completions, the stage that runs them, and the policy that combines their verdicts."""

from collections.abc import Mapping

from ratchet.records import Prompt
from ratchet.verify.applying import apply, known, verdicts_of
from ratchet.verify.policy import Judgement, judge
from ratchet.verify.protocol import Finding, Rule, Verifier, per_completion
from ratchet.verify.rules import VERIFIERS, parse_objects, yes_no_answer
from ratchet.verify.text import normalise

__all__ = [
    "VERIFIERS",
    "Finding",
    "Judgement",
    "Rule",
    "Verifier",
    "apply",
    "judge",
    "known",
    "normalise",
    "parse_objects",
    "per_completion",
    "self_check",
    "verdicts_of",
    "yes_no_answer",
]


def self_check(prompt: Prompt, verifiers: Mapping[str, Verifier] = VERIFIERS) -> str | None:
    """The first complaint of the verifiers that the prompt names: what is wrong with its reference. None: all is well."""
    if not prompt.verifiers:
        return f"the prompt names no verifier; name one of {', '.join(sorted(verifiers))}."
    for name in prompt.verifiers:
        found = verifiers.get(name)
        if found is None:
            return f"no verifier {name!r}; known: {', '.join(sorted(verifiers))}."
        complaint = found.self_check(prompt)
        if complaint is not None:
            return complaint
    return None
