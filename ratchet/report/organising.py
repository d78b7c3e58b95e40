"""How a round's answers were verified, measured, watched over and filtered: the stages' numbers as they stand there.

What an older manifest does not say is empty or None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from ratchet import canonical
from ratchet.alarms import Alarm
from ratchet.alarms.watch import MOMENTS, place
from ratchet.artifacts import Manifest
from ratchet.errors import NotFound
from ratchet.records import Record
from ratchet.store import Store
from ratchet.verify.audit.result import AUDIT_FILE, AuditResult

MOMENT_WORDS: Mapping[str, str] = {"filter": "before training", "promote": "before promotion"}


class SaidView(Record):
    """One verifier's verdicts. `scored` gave a score, but no opinion on passing; `alone` counts the model's own answers
    that it decided by itself, by what became of them; `tokens` are those of its verdicts."""

    name: str
    passed: int = 0
    failed: int = 0
    scored: int = 0
    unscored: int = 0
    tokens: int = 0
    reasons: dict[str, int] = {}
    alone: dict[str, int] = {}

    @property
    def verdicts(self) -> int:
        return self.passed + self.failed + self.scored + self.unscored

    @property
    def decided_alone(self) -> int:
        return sum(self.alone.values())


class PairView(Record):
    """Two verifiers over the completions that both decided; `only_left` and `only_right` are those that one alone passed."""

    left: str
    right: str
    both: int
    agree: int
    disagree: int
    only_left: int
    only_right: int
    kappa: float | None


class SpentView(Record):
    """What a judge was asked, and what it cost by the recipe's prices."""

    judge: str
    calls: int = 0
    cached: int = 0
    failed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0


class VerificationView(Record):
    """`judged` counts the model's own answers by what became of them, `together` those that no verifier decided alone."""

    policy: str
    verifiers: tuple[SaidView, ...] = ()
    pairs: tuple[PairView, ...] = ()
    spent: tuple[SpentView, ...] = ()
    judged: int = 0
    together: int = 0

    def pair(self, one: str, other: str) -> PairView | None:
        """How the two agree; None where they never decided the same completion."""
        return next((p for p in self.pairs if {p.left, p.right} == {one, other}), None)

    @property
    def compared(self) -> tuple[list[str], list[str]]:
        """Rows and columns of a table that has every pair once: who shares most with others comes first, none is empty."""
        met = Counter(name for pair in self.pairs for name in (pair.left, pair.right))
        names = sorted(met, key=lambda name: (-met[name], name))
        place = {name: i for i, name in enumerate(names)}
        both = [sorted((pair.left, pair.right), key=place.__getitem__) for pair in self.pairs]
        rows, columns = {one for one, _ in both}, {other for _, other in both}
        return [name for name in names if name in rows], [name for name in names if name in columns]


class RaisedView(Record):
    """An alarm, and when it was raised."""

    moment: str
    alarm: Alarm


class AlarmsView(Record):
    """`watched` are the alarms that the recipe has on; `moments` when they were looked at; `compared_with` earlier rounds."""

    raised: tuple[RaisedView, ...] = ()
    watched: tuple[str, ...] = ()
    moments: tuple[str, ...] = ()
    compared_with: tuple[int, ...] = ()


class DroppedView(Record):
    """A prompt of the exclusion set, with its pictures as data URIs; `pixels` as in SceneView."""

    reason: str
    skill: str
    question: str
    difficulty: float | None
    pass_rate: float | None
    pictures: tuple[str, ...] = ()
    pixels: bool = False


class FilteringView(Record):
    """Prompts by what became of them: `bands` of difficulty, `rates` of passing and `skills` hold rows, kept and reasons.

    `uses` and `pairs` are what the kept ones are for; `mended` counts pairs that were repaired or left out; `replayed` are rows of
    earlier rounds, by round, that are learned from beside them.
    """

    rows: int
    kept: int
    bands: dict[str, dict[str, int]] = {}
    rates: dict[str, dict[str, int]] = {}
    skills: dict[str, dict[str, int]] = {}
    uses: dict[str, int] = {}
    pairs: int = 0
    mended: dict[str, int] = {}
    completions: dict[str, int] = {}
    replayed: dict[str, int] = {}
    dropped: tuple[DroppedView, ...] = ()


def verification_view(manifest: Manifest) -> VerificationView | None:
    """The view of a verify stage's manifest; None for one that is older than these counts."""
    results = manifest.results
    if "said" not in results:
        return None
    decided = {one["verifier"]: {k: n for k, n in one.items() if k != "verifier"} for one in results["decided"]}
    verifiers = [
        SaidView(
            name=one["verifier"],
            reasons=results["verifiers"].get(one["verifier"], {}),
            alone=decided.get(one["verifier"], {}),
            **{name: one[name] for name in ("passed", "failed", "scored", "unscored", "tokens")},
        )
        for one in results["said"]
    ]
    return VerificationView(
        policy=results["policy"],
        verifiers=tuple(verifiers),
        pairs=tuple(PairView(**one) for one in results["disagreement"]),
        spent=tuple(
            SpentView(judge=judge, **{n: one[n] for n in SpentView.model_fields if n in one})
            for judge, one in results.get("spent", {}).items()
        ),
        judged=sum(sum(one.values()) for one in decided.values()),
        together=sum(decided.get(None, {}).values()),
    )


def audit_view(store: Store, prefix: str, verified: Manifest | None) -> AuditResult | None:
    """What the audit of the round at `prefix` found, also where it stopped the round before anything was verified.

    None where there was none, or where another version wrote it.
    """
    found = verified.results.get("audit") if verified is not None else _audit_alone(store, prefix)
    try:
        return AuditResult.model_validate(found) if found else None
    except ValidationError:
        return None


def _audit_alone(store: Store, prefix: str) -> dict[str, Any] | None:
    """The newest audit of a verify stage that never finished."""
    files = [stat for stat in store.list(f"{prefix}/verify-") if stat.uri.endswith(f"/{AUDIT_FILE}")]
    newest = max(files, key=lambda stat: stat.modified, default=None)
    return None if newest is None else _read(store, store.key(newest.uri))


def alarms_view(store: Store, prefix: str) -> AlarmsView | None:
    """The alarms of the round at `prefix`; None where nothing was watched."""
    bodies = {moment: body for moment in MOMENTS if (body := _read(store, place(prefix, moment))) is not None}
    if not bodies:
        return None
    last = list(bodies.values())[-1]
    return AlarmsView(
        raised=tuple(
            RaisedView(moment=MOMENT_WORDS[moment], alarm=Alarm.model_validate(one))
            for moment, body in bodies.items()
            for one in body["alarms"]
        ),
        watched=tuple(name for name, limits in last["thresholds"].items() if isinstance(limits, dict)),
        moments=tuple(MOMENT_WORDS[moment] for moment in bodies),
        compared_with=tuple(sorted({number for body in bodies.values() for number in body["compared_with"]})),
    )


def filtering_view(manifest: Manifest, dropped: Iterable[DroppedView] = ()) -> FilteringView | None:
    """The view of a filter stage's manifest."""
    results = manifest.results
    if "rows" not in results:
        return None
    pairs = results.get("pairs", 0)
    return FilteringView(
        rows=results["rows"],
        kept=results["kept"],
        bands=results.get("bands", {}),
        rates=results.get("pass_rates", {}),
        skills=results.get("skills", {}),
        uses=results.get("uses", {}),
        pairs=pairs if isinstance(pairs, int) else 0,
        mended=results.get("pairs_mended", {}),
        completions=results.get("completions", {}),
        replayed={number: rows for number, rows in results.get("replay", {}).get("rounds", {}).items() if rows},
        dropped=tuple(dropped),
    )


def _read(store: Store, key: str) -> dict[str, Any] | None:
    try:
        body: dict[str, Any] = canonical.loads(store.get(key))
    except NotFound:
        return None
    return body
