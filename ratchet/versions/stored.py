"""What rounds have measured already: the outcomes of a model on a holdout, wherever it was seed or candidate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ratchet import canonical, rounds
from ratchet.artifacts import Artifact, Manifest, read_manifest
from ratchet.evaluate.outcomes import OUTCOMES, ModelRole, Outcome
from ratchet.promptset import PromptSet, find
from ratchet.rounds import Round
from ratchet.store import Store

ROLES: tuple[ModelRole, ModelRole] = ("candidate", "champion")


@dataclass(frozen=True)
class Read:
    """One model's part of a round's evaluation. `items` is the holdout's digest, `asking` how it was asked."""

    loop: str
    number: int
    role: ModelRole
    items: str
    asking: str
    prompts: PromptSet
    evaluated: Manifest

    def outcomes(self, store: Store) -> list[Outcome]:
        rows = Artifact.open(store, self.evaluated.uri, OUTCOMES).rows()
        return [outcome for outcome in rows if outcome.role == self.role]

    def suite(self, name: str) -> Any:
        """What pins a suite's items and marks in this read; None where it was not among them."""
        found = self.evaluated.results.get("suites", {}).get(name)
        return None if found is None else [found.get("digest"), found.get("judge")]


def reads(store: Store, loops: Iterable[str], digest: str) -> list[Read]:
    """All of a model's reads in the rounds of these loops, the newest round first."""
    found = [
        one
        for loop in dict.fromkeys(loops)
        for number in rounds.numbers(store, loop)
        for one in _of_round(store, rounds.read_round(store, loop, number), digest)
    ]
    return sorted(found, key=lambda one: -one.number)


def _of_round(store: Store, opened: Round, digest: str) -> Iterator[Read]:
    evaluated = rounds.manifests(store, opened.loop, opened.number).get("evaluate")
    if evaluated is None:
        return
    models = evaluated.results.get("models", {})
    roles = [role for role in ROLES if models.get(role, {}).get("digest") == digest]
    prompts = find(store, opened.prompts) if roles else None
    if prompts is None or "holdout" not in prompts.parts:
        return
    items = read_manifest(store, store.key(prompts.parts["holdout"])).content_digest
    asking = canonical.digest(opened.recipe.evaluate.asking)
    for role in roles:
        yield Read(opened.loop, opened.number, role, items, asking, prompts, evaluated)


def pair_of(a: list[Read], b: list[Read]) -> tuple[Read, Read] | None:
    """Reads of both on the same items, asked alike: of one round where there is one, else the newest."""
    fits = [(x, y) for x in a for y in b if (x.items, x.asking) == (y.items, y.asking)]
    return max(
        fits, key=lambda one: (one[0].evaluated.uri == one[1].evaluated.uri, one[1].number, one[0].number), default=None
    )


def why_not(a: list[Read], b: list[Read], names: tuple[str, str]) -> str:
    """Why no stored reads go together, in words."""
    for some, name in zip((a, b), names, strict=True):
        if not some:
            return f"no round has measured {name}"
    x, y = a[0], b[0]
    if x.items != y.items:
        return f"{names[0]} was measured on other items (digest {x.items[:12]}, round {x.number}) than {names[1]} ({y.items[:12]}, round {y.number})"
    return f"rounds {x.number} and {y.number} asked with other settings (recipe's evaluate)"
