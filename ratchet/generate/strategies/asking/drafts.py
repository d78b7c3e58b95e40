"""A question on its way from the questioner to a group: open, refused for a reason, or broken by an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ratchet.records import Completion, Group, Part, Prompt
from ratchet.verify.voting.votes import Vote


@dataclass(frozen=True)
class Draft:
    """`prompt` is the new prompt, once a question could be read; `vote` what its answers say, once there are any.

    `broken`: a request failed, and its completion says why.
    """

    parent: Prompt
    number: int
    prompt: Prompt | None = None
    completions: tuple[Completion, ...] = ()
    notes: tuple[Part, ...] = ()
    vote: Vote | None = None
    reason: str | None = None
    broken: bool = False

    @property
    def open(self) -> bool:
        return self.reason is None and not self.broken

    @property
    def new(self) -> Prompt:
        """The new prompt of a draft that has one."""
        assert self.prompt is not None, "no question was read yet"
        return self.prompt

    @property
    def id(self) -> str:
        """Names the draw: one question about one prompt's pictures."""
        return f"{self.parent.id}/ask/{self.number}"

    def refused(self, reason: str, *completions: Completion) -> Draft:
        """Given up for a reason, with what was said, if anything."""
        return replace(self, reason=reason, completions=completions or self.completions)

    def failed(self, completion: Completion) -> Draft:
        """A request broke. What was made before stays; then the row is refused, else it is an error."""
        reason = "not_checked" if self.completions else None
        last = completion.model_copy(update={"index": len(self.completions)})
        return replace(self, broken=True, reason=reason, completions=(*self.completions, last))

    def noted(self, **scores: float) -> Draft:
        notes = tuple(Part(name=name, score=score) for name, score in scores.items())
        return replace(self, notes=self.notes + notes)

    def group(self) -> Group:
        """The row. Where no question could be read it is the parent's, without verifiers: what was said is no answer."""
        prompt = self.prompt
        if prompt is None:
            said = bool(self.completions) and not self.broken
            prompt = self.parent.model_copy(update={"verifiers": ()}) if said else self.parent
        noted = [c.model_copy(update={"notes": self.notes + c.notes}) for c in self.completions]
        return Group(prompt=prompt, completions=tuple(noted), reason=self.reason)


def stepped(drafts: Sequence[Draft], step: Callable[..., Sequence[Draft]], *given: Any) -> list[Draft]:
    """`step(open ones, *given)`, all at once; the others keep their places."""
    made = iter(step([draft for draft in drafts if draft.open], *given))
    return [next(made) if draft.open else draft for draft in drafts]
