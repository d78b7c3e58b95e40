"""What a report shows, as plain frozen data: collected once, rendered as HTML, as a terminal table and as summary.json.

Rates are in 0..1; deltas are paired differences of rates, candidate minus champion unless said; seconds are wall time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from ratchet.autonomy import RoundAutonomy
from ratchet.records import Record
from ratchet.report.collection import CollectionView
from ratchet.report.organising import AlarmsView, FilteringView, SpentView, VerificationView
from ratchet.report.people import PeopleView
from ratchet.report.training import TrainingView
from ratchet.verify.audit.result import AuditResult

Flip = Literal["wrong to right", "right to wrong", "both right", "both wrong"]


class Estimate(Record):
    """A measured value with its 95% interval and the number of items behind it."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


class GuardView(Record):
    name: str
    candidate: float | None
    champion: float | None
    delta: float | None
    bound: float | None
    margin: float
    passed: bool
    n: int


class ModelView(Record):
    """One model measured on one set of items."""

    label: str
    accuracy: Estimate
    per_skill: dict[str, Estimate]
    chair_i: float | None = None
    chair_s: float | None = None
    cover: float | None = None
    pope_accuracy: float | None = None
    pope_precision: float | None = None
    pope_recall: float | None = None
    pope_f1: float | None = None
    yes_ratio: float | None = None
    pass_at_k: float | None = None
    k: int | None = None
    clipped: float | None = None
    unparsed: float | None = None
    true_yes_ratio: float | None = None
    mean_correct: float | None = None
    distinct: float | None = None


class FigureView(Record):
    """One figure of both models; `name` is the suite's own word for it, or that of a part."""

    name: str
    champion: float | None
    candidate: float | None


class SuiteView(Record):
    """A suite that both models answered: its primary figure with intervals, the other `figures`, and `parts` by category.

    `delta` is candidate minus champion of the primary; `unparsed` is a share by model; `judge` is empty where a rule marked.
    """

    name: str
    title: str
    measures: str = ""
    digest: str
    primary: str
    higher: bool = True
    top: float = 1.0
    items: int
    judge: str = ""
    champion: Estimate | None
    candidate: Estimate | None
    delta: Estimate | None
    figures: tuple[FigureView, ...] = ()
    parts: tuple[FigureView, ...] = ()
    unparsed: dict[str, float | None] = {}
    notes: tuple[str, ...] = ()

    @property
    def is_share(self) -> bool:
        """Whether the primary figure is a share; else it is on the suite's own scale (points of a hundred, a mark of 0 to 6)."""
        return self.top == 1.0

    @property
    def better(self) -> bool | None:
        """Whether the whole interval of the difference says better, or worse; None where it says neither."""
        if self.delta is None or self.delta.low is None or self.delta.high is None:
            return None
        if self.delta.low <= 0 <= self.delta.high:
            return None
        return (self.delta.low > 0) == self.higher


class StageView(Record):
    name: str
    uri: str
    content_digest: str
    rows: int
    counts: dict[str, int]
    seconds: dict[str, float]
    parents: dict[str, str]


class CostView(SpentView):
    """What a stage asked of another model."""

    stage: str


class RoundView(Record):
    """One round. `state` is RUNNING until finish has written the end, also where it has `stopped`: no run holds the loop;
    PENDING while a person has yet to approve what the gate would promote; `answer` is what a person said, and who, and
    `later` the moves by which persons made its candidate champion, or another in its place, after the round.
    `people` is what they said of its answers.

    `gate` is "promote", or why the gate refuses; `null_gain` the gain of the null hypothesis, `e_value` is what a bet against it
    grew by, where the test was one. `completions`, `passed` and `aside` count completions, those in `aside` being no attempts of the model at the prompt;
    `prompts`, `kept`, `drops` (by the filter's reason) and `kept_by_skill` count prompts.
    """

    number: int
    state: Literal["PROMOTED", "REFUSED", "PENDING", "STALE", "STOPPED", "FAILED", "RUNNING"]
    reason: str
    stopped: bool = False
    sentences: tuple[str, ...] = ()
    seed_version: str | None
    candidate_version: str | None
    seed_digest: str | None = None
    candidate_digest: str | None = None
    prompts_digest: str | None = None
    answer: str = ""
    later: tuple[str, ...] = ()
    people: PeopleView | None = None
    champion: ModelView | None = None
    candidate: ModelView | None = None
    delta: Estimate | None = None
    skill_deltas: dict[str, Estimate] = {}
    changes: dict[str, Estimate] = {}
    suites: tuple[SuiteView, ...] = ()
    p_value: float | None = None
    alpha_spent: float | None = None
    look: int | None = None
    gate: str | None = None
    e_value: float | None = None
    null_gain: float = 0.0
    guards: tuple[GuardView, ...] = ()
    prompts: int | None = None
    completions: int | None = None
    passed: int | None = None
    aside: dict[str, int] = {}
    kept: int | None = None
    drops: dict[str, int] = {}
    kept_by_skill: dict[str, int] = {}
    visits: int | None = None
    loss: tuple[tuple[int, float], ...] = ()
    training: TrainingView | None = None
    stages: tuple[StageView, ...] = ()
    autonomy: RoundAutonomy | None = None
    collection: CollectionView | None = None
    verification: VerificationView | None = None
    audit: AuditResult | None = None
    alarms: AlarmsView | None = None
    filtering: FilteringView | None = None
    seconds: float | None = None
    costs: tuple[CostView, ...] = ()
    recipe: str = ""
    opened: datetime


class ControlView(Record):
    """A control arm: trained beside the rounds, judged by the same gate, spending none of its error. Never promoted."""

    name: str
    title: str
    explanation: str
    measured: ModelView
    delta: Estimate
    decision: Literal["promote", "refuse"]
    reason: str
    visits: int
    champion_minus: Estimate | None = None
    seconds: float


class AnswerView(Record):
    """One answer in the gallery: `who` is a model's label, or "sample 3". `said` is by verifier whether it passed it, where
    there are several. `sampled`: how many of a model's samples were right, of how many."""

    who: str
    text: str
    passed: bool | None
    reason: str
    kept: bool | None = None
    said: dict[str, bool | None] = {}
    sampled: tuple[int, int] | None = None


class GalleryItem(Record):
    """A real prompt with its pictures as data URIs; `left_out` are pictures that the page has no room for. `flip` compares its
    two models' greedy answers; `flips` are the items of its split and round that flipped so, shown or not."""

    round: int | None
    prompt_id: str
    skill: str
    question: str
    reference: str | None
    pictures: tuple[str, ...]
    answers: tuple[AnswerView, ...]
    split: Literal["pool", "validation", "holdout", "report"]
    flip: Flip | None = None
    flips: int | None = None
    left_out: int = 0


class ChampionView(Record):
    """The champion: the `round` that made it (None: the seed, or a version from elsewhere), the kind of `move` that made it
    champion last, and who did that why."""

    version: str
    round: int | None
    move: Literal["seed", "promotion", "rollback", "outside"] = "promotion"
    by: str = ""
    why: str = ""
    delta_to_seed: Estimate | None
    skill_deltas: dict[str, Estimate] = {}
    changes: dict[str, Estimate] = {}

    @property
    def moved_by_person(self) -> bool:
        return self.move in ("rollback", "outside")


class LoopView(Record):
    """All of a loop. `seed` and `final` were measured on the report split, which no decision reads."""

    loop: str
    made: datetime
    ratchet_version: str
    code_revision: str
    recipe: str
    rounds: tuple[RoundView, ...]
    seed: ModelView | None = None
    final: ModelView | None = None
    champion: ChampionView | None = None
    controls: tuple[ControlView, ...] = ()
    gallery: tuple[GalleryItem, ...] = ()
    seconds: float | None = None
    notes: tuple[str, ...] = ()
