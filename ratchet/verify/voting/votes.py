"""What most answers say: read and compared by the product's own verifiers, so that a label and its check agree."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ratchet.importing.answers import default_verifier
from ratchet.records import Completion, Group, Prompt
from ratchet.statistics import entropy
from ratchet.verify import self_check
from ratchet.verify.contained import Contained
from ratchet.verify.extract import reading
from ratchet.verify.judging import Rights
from ratchet.verify.judging import rights as judged
from ratchet.verify.protocol import Rule
from ratchet.verify.rules import VERIFIERS, options, yes_no_answer
from ratchet.verify.text import normalise

YES_NO = ("yes", "no")


@dataclass(frozen=True)
class Vote:
    """The answer that most completions agree with, as a labelled prompt.

    `classes` names each completion's answer by rank, the winner's is 0; None: unreadable, cut or failed. `voters` are the
    honest completions that did not fail; `tied`: another answer has as many. The completions at the places `aside` are
    classed with the others and have no vote.
    """

    prompt: Prompt
    classes: tuple[int | None, ...]
    voters: int
    tied: bool
    aside: frozenset[int] = frozenset()

    @cached_property
    def sizes(self) -> Counter[int]:
        """Votes by class."""
        return Counter(one for i, one in enumerate(self.classes) if one is not None and i not in self.aside)

    @property
    def share(self) -> float:
        """The winner's share of the voters."""
        return self.sizes[0] / self.voters

    @property
    def shares(self) -> tuple[float, ...]:
        """Each completion's answer's share of the voters; 0 where there is none."""
        return tuple(0.0 if one is None else self.sizes[one] / self.voters for one in self.classes)

    @property
    def entropy(self) -> float:
        """Of the distribution of answers, in nats; what cannot be read counts as an answer of its own."""
        alone = [1] * (self.voters - self.sizes.total())
        return entropy([*self.sizes.values(), *alone])

    @property
    def evenness(self) -> float:
        """The entropy as a share of its largest value, that of voters who all say something else: 0..1."""
        return self.entropy / math.log(self.voters) if self.voters > 1 else 0.0


def candidates(texts: Sequence[str]) -> list[str]:
    """Different readings, most frequent first, and yes or no where an answer begins with it and goes on."""
    read = [one for text in texts if (one := reading(text)) is not None]
    short = [word for one in read if (word := _first_word(one)) in YES_NO and yes_no_answer(one) is not None]
    return [one for one, _ in sorted(Counter([*read, *short]).items(), key=lambda item: (-item[1], item[0]))]


def _first_word(text: str) -> str:
    return normalise(text.partition(" ")[0])


def labelled(prompt: Prompt, reference: str) -> Prompt:
    """The prompt with a reference, and the rules that it names itself, or else the one that the reference's shape asks for.

    Rules that do without a reference would agree with every candidate and say nothing.
    """
    own = tuple(name for name in prompt.verifiers if _compares(name))
    shape = (default_verifier(reference, bool(options(prompt.question))),)
    return prompt.model_copy(update={"reference": reference, "verifiers": own or shape})


def _compares(name: str) -> bool:
    found = VERIFIERS.get(name)
    return isinstance(found, Rule | Contained) and found.needs_reference


def ranked(
    passed: Sequence[Sequence[bool]], aside: Collection[int] = ()
) -> tuple[tuple[int, ...], tuple[int | None, ...]]:
    """Candidates by how many answers agree with them, and each answer's rank among them.

    `passed[c][a]`: answer a agrees with candidate c. An answer belongs to the best candidate that it agrees with. Answers
    `aside` do not count.
    """
    count = [sum(one for a, one in enumerate(row) if a not in aside) for row in passed]
    order = tuple(sorted(range(len(passed)), key=lambda c: (-count[c], c)))
    answers = range(len(passed[0]) if passed else 0)
    return order, tuple(next((rank for rank, c in enumerate(order) if passed[c][a]), None) for a in answers)


def votes(asked: Sequence[tuple[Prompt, Sequence[Completion]]], rights: Rights = judged) -> list[Vote | None]:
    """The vote on each prompt's completions; None where no answer can be read. Only honest completions vote."""
    groups: list[Group] = []
    spans: list[range] = []
    for prompt, completions in asked:
        first = len(groups)
        for text in candidates([c.text for c in completions if c.honest and c.finish_reason == "stop"]):
            labels = labelled(prompt, text)
            if self_check(labels) is None:
                groups.append(Group(prompt=labels, completions=tuple(completions)))
        spans.append(range(first, len(groups)))
    right = rights(groups)
    return [_vote([groups[n] for n in span], [right[n] for n in span]) for span in spans]


def _vote(groups: Sequence[Group], rights: Sequence[Sequence[bool | None]]) -> Vote | None:
    if not groups:
        return None
    said = groups[0].completions
    aside = frozenset(i for i, c in enumerate(said) if not c.honest)
    passed = [
        [right is True and c.finish_reason == "stop" for right, c in zip(one, said, strict=True)] for one in rights
    ]
    order, classes = ranked(passed, aside)
    voters = sum(c.finish_reason != "error" and c.honest for c in said)
    vote = Vote(groups[order[0]].prompt, classes, voters, False, aside)
    tied = any(n == vote.sizes[0] for rank, n in vote.sizes.items() if rank)
    return replace(vote, tied=tied) if vote.sizes else None
