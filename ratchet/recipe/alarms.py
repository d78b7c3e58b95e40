"""Alarms: what a round watches in itself, and whether it warns or stops."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ratchet.records import Record

Action = Literal["warn", "stop"]


class AlarmBase(Record):
    """`warn`: said in the log, in the status and in the report; `stop`: the round ends as STOPPED and moves no alias."""

    action: Action = "warn"


class PrecisionAlarm(AlarmBase):
    """What the recipe trusts is right too seldom: audited where labels are, else estimated from the votes."""

    below: float = Field(0.5, gt=0, le=1, description="least precision of the answers that pass")


class AmplifiedAlarm(AlarmBase):
    """Answers agree more and are right less (MM-UPT's failure: 49.47 -> 44.11 on a hard pool)."""

    agreement: float = Field(0.02, ge=0, lt=1, description="rise of the mean majority share")
    precision: float = Field(0.02, ge=0, lt=1, description="fall of the audited precision")


class FallAlarm(AlarmBase):
    """A value that has fallen by this share of what it was."""

    fall: float = Field(0.5, gt=0, le=1, description="share of the reference that is lost")


class DiversityAlarm(AlarmBase):
    """More answers right and fewer prompts solved at all (pass@10 80.0 -> 72.5 while pass@1 rose)."""

    fall: float = Field(0.03, gt=0, lt=1, description="fall of pass@k, at the largest k that both rounds have")
    rise: float = Field(0.0, ge=0, lt=1, description="rise of the pass rate; must be exceeded")


class YesRatioAlarm(AlarmBase):
    """The share of yes moves away from one half, toward 0 or 1."""

    drift: float = Field(0.15, gt=0, lt=0.5, description="growth of the distance from one half")


class LengthAlarm(AlarmBase):
    """Answers become longer or shorter."""

    drift: float = Field(0.5, gt=0, description="change as a share of the reference's mean tokens")


class UnreadableAlarm(AlarmBase):
    """More answers that are cut off, or that nothing can be read from."""

    rise: float = Field(0.1, gt=0, lt=1, description="rise of the share, of either")


class HackingAlarm(AlarmBase):
    """The verifiers' score rises while the seed's holdout accuracy falls."""

    score: float = Field(0.02, ge=0, lt=1, description="rise of the mean score")
    accuracy: float = Field(0.02, ge=0, lt=1, description="fall of the holdout accuracy")


class SkillShareAlarm(AlarmBase):
    """A skill is nearly filtered away: its kept rows per row against those of all skills."""

    below: float = Field(0.1, gt=0, lt=1, description="least ratio of the skill's kept share to that of all rows")


class ConditioningAlarm(AlarmBase):
    """Answers hang less on the picture, by the recipe's verifier `conditioning` (DPO that ignores the image)."""

    fall: float = Field(0.1, gt=0, lt=1, description="fall of the verifier's mean score")


class SkillAlarm(AlarmBase):
    """A skill of the candidate lies below that of the loop's first champion (misevolution), beyond chance."""

    fall: float = Field(0.08, gt=0, lt=1, description="fall of the skill's holdout accuracy")


class AlarmsConfig(Record):
    """Thresholds of the alarms; null switches one off.

    Drifts are measured against the loop's first and latest earlier rounds that asked and judged alike (same prompts' source,
    generate and verify); without one they are silent.
    """

    min_prompts: int = Field(100, gt=0, description="fewer prompts (yes/no answers, holdout items) are no evidence")
    precision: PrecisionAlarm | None = PrecisionAlarm()
    amplified: AmplifiedAlarm | None = AmplifiedAlarm()
    entropy: FallAlarm | None = FallAlarm(fall=0.5)
    diversity: DiversityAlarm | None = DiversityAlarm()
    yes_ratio: YesRatioAlarm | None = YesRatioAlarm()
    length: LengthAlarm | None = LengthAlarm()
    unreadable: UnreadableAlarm | None = UnreadableAlarm()
    tail: FallAlarm | None = FallAlarm(fall=0.5)
    questions: FallAlarm | None = FallAlarm(fall=0.5)
    conditioning: ConditioningAlarm | None = ConditioningAlarm()
    hacking: HackingAlarm | None = HackingAlarm()
    skill_share: SkillShareAlarm | None = SkillShareAlarm()
    skill: SkillAlarm | None = SkillAlarm()
