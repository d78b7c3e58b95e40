"""What the gate looks at: the same items answered by champion and candidate, side by side, as columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratchet.errors import RegistryError
from ratchet.evaluate.outcomes import ModelRole, Outcome
from ratchet.recipe import PromoteConfig
from ratchet.registry.items import Marks, fold_of, mark_of
from ratchet.statistics import Floats

EXAMPLES = 3
# What must be the same for both roles, because it belongs to the item and not to the answer.
_ITEM_FIELDS = ("split_key", "skill", "truth_yes", "truth")

Rows = dict[ModelRole, dict[str, Outcome]]


@dataclass(frozen=True, slots=True)
class Answers:
    """One model's outcomes, a number an item; NaN where the item has none. True counts 1."""

    correct: Floats
    score: Floats
    yes: Floats
    mentioned: Floats
    hallucinated: Floats
    samples: Floats
    samples_correct: Floats
    covered: Floats

    def take(self, chosen: NDArray[Any]) -> Answers:
        return Answers(*(getattr(self, one.name)[chosen] for one in fields(self)))


@dataclass(frozen=True, slots=True)
class Columns:
    """Items of one source with both models' answers. `clusters` and `skill` are numbers; `skills` are the names of the latter.

    `marks` name each item's cluster by a hash, the same one wherever it is asked again. `truth` is how many things a picture has to describe.
    """

    clusters: NDArray[np.int64]
    marks: NDArray[np.uint64]
    skills: tuple[str, ...]
    skill: NDArray[np.int64]
    truth_yes: Floats
    candidate: Answers
    champion: Answers
    truth: Floats

    def __len__(self) -> int:
        return len(self.clusters)

    def take(self, chosen: NDArray[Any]) -> Columns:
        """Some of the items: by mask or by index."""
        return Columns(
            self.clusters[chosen], self.marks[chosen], self.skills, self.skill[chosen], self.truth_yes[chosen],
            self.candidate.take(chosen), self.champion.take(chosen), self.truth[chosen],
        )  # fmt: skip

    def of_skill(self, name: str) -> Columns:
        return self.take(self.skill == (self.skills.index(name) if name in self.skills else -1))


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that an evaluation measured of both models: the holdout's items, and those of each suite that the pool does not show.

    `shown` says of how many items of a suite, and of how many in all, that is not so: they prove memory, not skill.
    """

    holdout: Columns
    suites: Mapping[str, Columns]
    shown: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def primary(self, policy: PromoteConfig) -> Columns:
        """The items whose mean must grow. Raises RegistryError where the evaluation has none of that name."""
        wanted = policy.primary
        if wanted.suite is not None and wanted.suite not in self.suites:
            raise RegistryError(
                f"promote.primary.suite is {wanted.suite!r}, but the evaluation measured {_listed(self.suites)}; let evaluate "
                "measure that suite, or name another primary."
            )
        found = self.holdout if wanted.suite is None else self.suites[wanted.suite]
        if wanted.skill is None:
            return found
        if wanted.skill not in found.skills:
            raise RegistryError(
                f"promote.primary.skill is {wanted.skill!r}, but the items are of {_listed(found.skills)}; name one of those."
            )
        return found.of_skill(wanted.skill)

    def marks(self, policy: PromoteConfig) -> Marks:
        """Hashes of the clusters that a look at the primary sees: all of its source, for skills and guards show them as well."""
        suite = policy.primary.suite
        found = self.holdout if suite is None else self.suites[suite]
        return frozenset(found.marks.tolist())


def side_by_side(outcomes: Iterable[Outcome]) -> Evidence:
    """Pair the outcomes, sorted by prompt, the holdout's and each suite's for themselves.

    Raises RegistryError when an item is missing for one role, comes twice, is not the same item for both, or has a score
    that is no share: such rows are no evidence for or against anybody, the evaluation itself is broken.
    """
    sources: dict[str | None, Rows] = {None: {"champion": {}, "candidate": {}}}
    repeated = []
    for outcome in outcomes:
        known = sources.setdefault(outcome.suite, {"champion": {}, "candidate": {}})[outcome.role]
        name = outcome.item or outcome.prompt_id  # two questions of a suite may be one prompt
        if name in known:
            repeated.append(name)
        known[name] = outcome
    _refuse(repeated, "come more than once for the same model")
    shown = {name: _shown(rows) for name, rows in sources.items() if name is not None}
    found = {name: _columns(rows, name) for name, rows in sources.items()}
    suites = {name: found[name] for name in sorted(n for n in found if n is not None)}
    return Evidence(found[None], suites, shown)


def _shown(rows: Rows) -> tuple[int, int]:
    """Take what the pool shows out of a suite's rows: how many items, and of how many."""
    items = rows["champion"].keys() | rows["candidate"].keys()
    tainted = {one.item or one.prompt_id for role in rows.values() for one in role.values() if one.shown is not None}
    for role in rows.values():
        for name in tainted & role.keys():
            del role[name]
    return len(tainted), len(items)


def in_fold(evidence: Evidence, folds: int, look: int) -> Evidence:
    """What look number `look` may see of items that are cut into `folds`; all items of a picture together.

    A suite or a skill that has no item in the fold is there, and empty.
    """
    if folds == 1:
        return evidence
    wanted = fold_of(look, folds)

    def cut(items: Columns) -> Columns:
        return items.take(items.marks % folds == wanted)

    suites = {name: cut(items) for name, items in evidence.suites.items()}
    return replace(evidence, holdout=cut(evidence.holdout), suites=suites)


def _columns(rows: Rows, suite: str | None) -> Columns:
    champion, candidate = rows["champion"], rows["candidate"]
    _refuse(champion.keys() - candidate.keys(), "were answered by the champion only")
    _refuse(candidate.keys() - champion.keys(), "were answered by the candidate only")
    names = sorted(champion)
    theirs, ours = [champion[name] for name in names], [candidate[name] for name in names]
    for name in _ITEM_FIELDS:
        pairs = zip(theirs, ours, strict=True)
        different = [a.prompt_id for a, b in pairs if getattr(a, name) != getattr(b, name)]
        _refuse(different, f"have another {name} for the candidate than for the champion")
    for one in (theirs, ours):
        _refuse((o.prompt_id for o in one if not _is_share(o.score)), "have a score that is not a number from 0 to 1")
    keys, clusters = _numbered([o.split_key for o in theirs])
    marks = np.array([mark_of(key, suite) for key in keys], np.uint64)[clusters]
    skills, skill = _numbered([o.skill for o in theirs])
    return Columns(
        clusters, marks, skills, skill, _column(theirs, lambda o: o.truth_yes), _answers(ours), _answers(theirs),
        _column(theirs, lambda o: o.truth),
    )  # fmt: skip


def _answers(rows: Sequence[Outcome]) -> Answers:
    return Answers(
        correct=_column(rows, lambda o: o.correct),
        score=_column(rows, lambda o: o.score),
        yes=_column(rows, lambda o: o.yes),
        mentioned=_column(rows, lambda o: o.mentioned),
        hallucinated=_column(rows, lambda o: o.hallucinated),
        samples=_column(rows, lambda o: o.samples),
        samples_correct=_column(rows, lambda o: o.samples_correct),
        covered=_column(rows, lambda o: o.covered),
    )


def _column(rows: Sequence[Outcome], of: Callable[[Outcome], float | bool | None]) -> Floats:
    return np.array([of(row) for row in rows], dtype=np.float64)  # None becomes NaN


def _numbered(names: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names in order, and the place of each row's name among them."""
    known = {name: number for number, name in enumerate(sorted(set(names)))}
    return tuple(known), np.fromiter((known[name] for name in names), np.int64, len(names))


def _is_share(score: float | None) -> bool:
    return score is None or (math.isfinite(score) and 0 <= score <= 1)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _refuse(names: Iterable[str], what: str) -> None:
    found = sorted(set(names))
    if found:
        shown = ", ".join(found[:EXAMPLES]) + (", ..." if len(found) > EXAMPLES else "")
        raise RegistryError(
            f"{len(found)} items of the evaluation {what} ({shown}); the gate compares both models on the same items only. "
            "Delete the evaluate artifact of this round and run `ratchet resume`."
        )
