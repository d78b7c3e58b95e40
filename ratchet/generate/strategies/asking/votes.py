"""What most answers say: read and compared by the product's own verifiers, so that a label and its check agree."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ratchet.generate.strategies.tools import Tools
from ratchet.importing.answers import default_verifier
from ratchet.records import Completion, Group, Prompt
from ratchet.verify import normalise, self_check, yes_no_answer
from ratchet.verify.extract import extract
from ratchet.verify.rules import options

YES_NO = ("yes", "no")


@dataclass(frozen=True)
class Vote:
    """The answer that most completions agree with, as a labelled prompt.

    `classes` names each completion's answer by rank, the winner's is 0; None: unreadable, cut or failed. `voters` are the
    completions that did not fail; `tied`: another answer has as many.
    """

    prompt: Prompt
    classes: tuple[int | None, ...]
    voters: int
    tied: bool

    @property
    def share(self) -> float:
        """The winner's share of the voters."""
        return self.classes.count(0) / self.voters

    @property
    def shares(self) -> tuple[float, ...]:
        """Each completion's answer's share of the voters; 0 where there is none."""
        return tuple(0.0 if one is None else self.classes.count(one) / self.voters for one in self.classes)

    @property
    def entropy(self) -> float:
        """Of the distribution of answers, in nats; what cannot be read counts as an answer of its own."""
        sizes = Counter(one for one in self.classes if one is not None)
        alone = [1] * (self.voters - sizes.total())
        return -sum(n / self.voters * math.log(n / self.voters) for n in (*sizes.values(), *alone)) + 0.0


def reading(text: str) -> str | None:
    """What an answer says, in normal form, from its marked part if there is one; None where it says nothing or several."""
    return extract(text, lambda part: [plain] if (plain := normalise(part)) else []).value


def candidates(texts: Sequence[str]) -> list[str]:
    """Different readings, most frequent first, and yes or no where an answer begins with it and goes on."""
    read = [one for text in texts if (one := reading(text)) is not None]
    short = [word for one in read if (word := _first_word(one)) in YES_NO and yes_no_answer(one) is not None]
    return [one for one, _ in sorted(Counter([*read, *short]).items(), key=lambda item: (-item[1], item[0]))]


def _first_word(text: str) -> str:
    return normalise(text.partition(" ")[0])


def labelled(prompt: Prompt, reference: str) -> Prompt:
    """The prompt with a reference, and the verifier that its shape asks for."""
    verifier = default_verifier(reference, bool(options(prompt.question)))
    return prompt.model_copy(update={"reference": reference, "verifiers": (verifier,)})


def ranked(passed: Sequence[Sequence[bool]]) -> tuple[tuple[int, ...], tuple[int | None, ...]]:
    """Candidates by how many answers agree with them, and each answer's rank among them.

    `passed[c][a]`: answer a agrees with candidate c. An answer belongs to the best candidate that it agrees with.
    """
    order = tuple(sorted(range(len(passed)), key=lambda c: (-sum(passed[c]), c)))
    answers = range(len(passed[0]) if passed else 0)
    return order, tuple(next((rank for rank, c in enumerate(order) if passed[c][a]), None) for a in answers)


def votes(asked: Sequence[tuple[Prompt, Sequence[Completion]]], tools: Tools) -> list[Vote | None]:
    """The vote on each prompt's completions; None where no answer can be read. Failed completions have no vote."""
    groups: list[Group] = []
    spans: list[range] = []
    for prompt, completions in asked:
        first = len(groups)
        for text in candidates([c.text for c in completions if c.finish_reason == "stop"]):
            labels = labelled(prompt, text)
            if self_check(labels) is None:
                groups.append(Group(prompt=labels, completions=tuple(completions)))
        spans.append(range(first, len(groups)))
    rights = tools.rights(groups)
    return [_vote([groups[n] for n in span], [rights[n] for n in span]) for span in spans]


def _vote(groups: Sequence[Group], rights: Sequence[Sequence[bool | None]]) -> Vote | None:
    if not groups:
        return None
    said = groups[0].completions
    passed = [
        [right is True and c.finish_reason == "stop" for right, c in zip(one, said, strict=True)] for one in rights
    ]
    order, classes = ranked(passed)
    sizes = Counter(one for one in classes if one is not None)
    voters = sum(c.finish_reason != "error" for c in said)
    tied = any(n == sizes[0] for rank, n in sizes.items() if rank)
    return Vote(groups[order[0]].prompt, classes, voters, tied) if sizes else None
