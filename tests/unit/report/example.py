"""A loop as a report sees it: a round promoted, one refused by a guard, one failed; three controls; 60 gallery items."""

from __future__ import annotations

import base64
import random
import re
from datetime import UTC, datetime

from ratchet.report.training import TrainingView
from ratchet.report.view import (
    AnswerView,
    ChampionView,
    ControlView,
    Estimate,
    GalleryItem,
    GuardView,
    LoopView,
    ModelView,
    RoundView,
    StageView,
)
from ratchet.train.report import Seen
from tests.unit.report.example_gallery import SKILLS, item

ROUND_STAGES = ("begin", "generate", "verify", "filter", "train", "evaluate", "promote")


def rate(value: float, n: int) -> Estimate:
    half = 1.96 * (value * (1 - value) / n) ** 0.5
    return Estimate(value=value, low=max(0.0, value - half), high=min(1.0, value + half), n=n)


def model(label: str, accuracy: float, *, n: int = 2700, chair: float = 0.2, pope: float = 0.8) -> ModelView:
    offsets = (-0.1, 0.2, 0.05, -0.25, 0.1, 0.12, -0.3, -0.05, 0.13)
    return ModelView(
        label=label,
        accuracy=rate(accuracy, n),
        per_skill={s: rate(min(0.97, accuracy + o), n // len(SKILLS)) for s, o in zip(SKILLS, offsets, strict=True)},
        chair_i=chair,
        chair_s=min(1.0, chair * 2.1),
        cover=0.71 + accuracy / 10,
        pope_accuracy=pope - 0.01,
        pope_precision=pope + 0.03,
        pope_recall=pope - 0.02,
        pope_f1=pope,
        yes_ratio=0.47,
        pass_at_k=accuracy + 0.17,
        k=4,
        clipped=0.002,
        unparsed=0.011,
    )


def delta(value: float, half: float, n: int) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=n)


def guards(failed: str | None = None) -> tuple[GuardView, ...]:
    made = []
    for at, name in enumerate(("chair_i", "pass_at_k", "yes_ratio", "skill: count", "skill: caption", "skill: pair")):
        change = -0.061 if name == failed else 0.004 * at - 0.006
        bound = change - 0.031
        made.append(
            GuardView(
                name=name,
                candidate=0.6 + change,
                champion=0.6,
                delta=change,
                bound=bound,
                margin=0.08 if "skill" in name else 0.05,
                passed=name != failed,
                n=900 if "skill" not in name else 300,
            )
        )
    return tuple(made)


def stages(number: int, upto: str = "promote") -> tuple[StageView, ...]:
    made = []
    seconds = dict(zip(ROUND_STAGES, (1.9, 48.2, 9.1, 3.4, 118.0, 41.5, 2.2), strict=True))
    parent: dict[str, str] = {}
    for name in ROUND_STAGES[: ROUND_STAGES.index(upto) + 1]:
        digest = random.Random(f"{number}{name}").randbytes(32).hex()
        made.append(
            StageView(
                name=name,
                uri=f"s3://ratchet/loops/tinyworld/rounds/{number:04d}/{name}-{digest[:12]}/",
                content_digest=digest,
                rows=4000 - 300 * number,
                counts={"rows": 4000 - 300 * number, "unscored": 3},
                seconds={"model": seconds[name] * 0.8, "store": seconds[name] * 0.2},
                parents=parent,
            )
        )
        parent = {name: digest}
    return tuple(made)


def loss(number: int) -> tuple[tuple[int, float], ...]:
    rng = random.Random(number)
    return tuple((s, 0.35 + 1.4 / (1 + s / 20) + rng.uniform(-0.06, 0.06)) for s in range(0, 400, 5))


def training() -> TrainingView:
    """Of GRPO, whose groups agree ever more; restarted from the base, with a fifth of replayed rows."""
    steps = range(5, 400, 10)
    return TrainingView(
        method="grpo",
        start="base",
        rows=12_240,
        visits=24_480,
        steps=400,
        replayed=2448,
        left_out=1360,
        skills={s: Seen(rows=1360, visits=2720 + 10 * i) for i, s in enumerate(SKILLS)},
        bands={"0-0.2": Seen(rows=4000, visits=16_000), "0.8-1": Seen(rows=8240, visits=8480)},
        curves={
            "reward": tuple((s, 0.4 + s / 1600) for s in steps),
            "kl": tuple((s, 0.0004 * s) for s in steps),
            "frac_reward_zero_std": tuple((s, 0.2 + s / 1000) for s in steps),
            "completions/mean_length": tuple((s, float("nan") if s == 105 else 6 + s / 100) for s in steps),
        },
    )


def rounds() -> tuple[RoundView, ...]:
    made = {"prompts": 4000, "completions": 32000, "passed": 17830, "kept": 2160}
    drops = {"too_hard": 800, "too_easy": 690, "duplicate": 260, "unbalanced": 90}
    by_skill = {s: 120 + 30 * i for i, s in enumerate(SKILLS)}
    first = RoundView(
        number=0,
        state="PROMOTED",
        reason="accuracy rose and no guard failed",
        sentences=("Errors fell most where several objects share a colour.",),
        seed_version="1",
        candidate_version="2",
        champion=model("champion", 0.571, n=900),
        candidate=model("candidate", 0.626, n=900, chair=0.16, pope=0.83),
        delta=delta(0.055, 0.021, 900),
        skill_deltas={s: delta(0.02 + 0.01 * i, 0.05, 100) for i, s in enumerate(SKILLS)},
        p_value=0.00000042,
        alpha_spent=0.0304,
        look=1,
        guards=guards(),
        **made,
        drops=drops,
        kept_by_skill=by_skill,
        visits=24480,
        loss=loss(0),
        training=training(),
        stages=stages(0),
        seconds=224.3,
        recipe="name: demo\ntrain:\n  method: sft\n",
        opened=datetime(2026, 7, 30, 12, 0, tzinfo=UTC),
    )
    second = first.model_copy(
        update={
            "number": 1,
            "state": "REFUSED",
            "reason": "guard chair_i: its bound -9.2 points lies below minus its margin of 5.0",
            "sentences": (),
            "seed_version": "2",
            "candidate_version": "3",
            "champion": model("champion", 0.619, n=900, chair=0.17, pope=0.82),
            "candidate": model("candidate", 0.633, n=900, chair=0.23, pope=0.81),
            "delta": delta(0.014, 0.019, 900),
            "p_value": 0.071,
            "alpha_spent": 0.0076,
            "look": 2,
            "guards": guards("chair_i"),
            "kept": 2160,
            "loss": loss(1),
            "stages": stages(1),
            "seconds": 231.9,
        }
    )
    third = RoundView(
        number=2,
        state="FAILED",
        reason="train: TrainError: loss is NaN at step 120; lower train.learning_rate, or raise train.warmup_steps.",
        seed_version="2",
        candidate_version=None,
        prompts=4000,
        completions=32000,
        passed=18001,
        kept=2160,
        drops=drops,
        loss=(*loss(2)[:24], (120, float("nan"))),
        stages=stages(2, "filter"),
        seconds=71.0,
        opened=datetime(2026, 7, 30, 12, 20, tzinfo=UTC),
    )
    return first, second, third


def control(name: str, title: str, explanation: str, change: float, decision: str) -> ControlView:
    return ControlView(
        name=name,
        title=title,
        explanation=explanation,
        measured=model(title, 0.571 + change),
        delta=delta(change, 0.019, 2700),
        decision=decision,
        reason="p = 0.21 is above the 0.0304 that this look may spend" if decision == "refuse" else "accuracy rose",
        visits=24480,
        champion_minus=delta(0.063 - change, 0.018, 2700),
        seconds=141.2,
    )


def controls() -> tuple[ControlView, ...]:
    return (
        control(
            "labels",
            "Labels again",
            "The seed trained as long on the labels it already had: what more training alone brings.",
            0.008,
            "refuse",
        ),
        control(
            "no_verifier",
            "No verifier",
            "The same completions, kept without asking the verifier: what its verdicts bring.",
            -0.034,
            "refuse",
        ),
        control(
            "gold",
            "Gold labels",
            "True answers to the pool's prompts in place of the model's own: about the most that this data can bring.",
            0.091,
            "promote",
        ),
    )


def loop() -> LoopView:
    seed, final = model("seed", 0.571), model("champion", 0.634, chair=0.152, pope=0.836)
    return LoopView(
        loop="tinyworld",
        made=datetime(2026, 7, 30, 13, 5, tzinfo=UTC),
        ratchet_version="0.1.0",
        code_revision="c7be2eb",
        recipe="demo",
        rounds=rounds(),
        seed=seed,
        final=final,
        champion=ChampionView(
            version="2",
            round=0,
            delta_to_seed=Estimate(value=0.063, low=0.041, high=0.084, n=2700),
            skill_deltas={s: delta(0.02 + 0.012 * i, 0.04, 300) for i, s in enumerate(SKILLS)},
        ),
        controls=controls(),
        gallery=tuple(item(i) for i in range(60)),
        seconds=902.0,
        notes=("Round 2 ran on another machine.",),
    )


def many_items(view: LoopView, number: int) -> LoopView:
    """As many items as asked for, each with a picture of its own, about as large as the embedded world's."""
    items: list[GalleryItem] = []
    for at in range(number):
        own = base64.b64encode(at.to_bytes(4, "big") * 1740).decode()
        answers = tuple(
            AnswerView(who=f"sample {i}", text=f"answer {i}", passed=i % 2 == 0, reason="match") for i in range(8)
        )
        picture = re.sub("base64,.*", f"base64,{own}", view.gallery[0].pictures[0])
        change = {"pictures": (picture,), "answers": answers, "prompt_id": f"{at:032x}"}
        items.append(view.gallery[at % 60].model_copy(update=change))
    return view.model_copy(update={"gallery": tuple(items)})
