"""What the gate looks at: each item answered by champion and candidate, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ratchet.errors import RegistryError
from ratchet.evaluate.outcomes import ModelRole, Outcome

EXAMPLES = 3
# What must be the same for both roles, because it belongs to the item and not to the answer.
_ITEM_FIELDS = ("split_key", "skill", "truth_yes", "truth")


@dataclass(frozen=True, slots=True)
class Item:
    """One held-out prompt and both models' outcomes on it."""

    champion: Outcome
    candidate: Outcome

    @property
    def cluster(self) -> str:
        return self.champion.split_key

    @property
    def skill(self) -> str:
        return self.champion.skill

    @property
    def scored(self) -> bool:
        return self.champion.correct is not None and self.candidate.correct is not None


def side_by_side(outcomes: Iterable[Outcome]) -> list[Item]:
    """Pair the outcomes, sorted by prompt.

    Raises RegistryError when an item is missing for one role, comes twice, or is not the same item for both: such rows
    are no evidence for or against anybody, the evaluation itself is broken.
    """
    roles: dict[ModelRole, dict[str, Outcome]] = {"champion": {}, "candidate": {}}
    repeated = []
    for outcome in outcomes:
        known = roles[outcome.role]
        if outcome.prompt_id in known:
            repeated.append(outcome.prompt_id)
        known[outcome.prompt_id] = outcome
    champion, candidate = roles["champion"], roles["candidate"]
    _refuse(repeated, "come more than once for the same model")
    _refuse(champion.keys() - candidate.keys(), "were answered by the champion only")
    _refuse(candidate.keys() - champion.keys(), "were answered by the candidate only")
    items = [Item(champion[name], candidate[name]) for name in sorted(champion)]
    for field in _ITEM_FIELDS:
        different = [i.champion.prompt_id for i in items if getattr(i.champion, field) != getattr(i.candidate, field)]
        _refuse(different, f"have another {field} for the candidate than for the champion")
    return items


def clusters(items: Sequence[Item]) -> list[str]:
    return [item.cluster for item in items]


def values(items: Sequence[Item], role: ModelRole, of: Callable[[Outcome], float | bool | None]) -> list[float]:
    """A number an item; None counts as 0, so leave out first what must not be counted."""
    return [float(of(getattr(item, role)) or 0.0) for item in items]


def _refuse(names: Iterable[str], what: str) -> None:
    found = sorted(set(names))
    if found:
        shown = ", ".join(found[:EXAMPLES]) + (", ..." if len(found) > EXAMPLES else "")
        raise RegistryError(
            f"{len(found)} items of the evaluation {what} ({shown}); the gate compares both models on the same items only. "
            "Delete the evaluate artifact of this round and run `ratchet resume`."
        )
