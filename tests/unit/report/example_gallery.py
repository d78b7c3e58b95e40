"""The example's gallery: questions with drawn pictures, answered by samples of the pool or by both models."""

from __future__ import annotations

import base64
import io
import random

from PIL import Image, ImageDraw

from ratchet.report.view import AnswerView, GalleryItem

SKILLS = ("count", "exist", "read", "add", "locate", "compare", "caption", "relation", "pair")
INK = {"red": "#d72d2d", "green": "#2db941", "blue": "#3c5fe1", "yellow": "#e1cd32"}


def picture(seed: int) -> str:
    rng = random.Random(seed)
    image = Image.new("RGB", (48, 48), (rng.randint(15, 60),) * 3)
    draw = ImageDraw.Draw(image)
    for cell in rng.sample(range(9), rng.randint(1, 5)):
        x, y = 16 * (cell % 3) + 2, 16 * (cell // 3) + 2
        shape = rng.choice((draw.ellipse, draw.rectangle))
        shape((x, y, x + 11, y + 11), fill=rng.choice(list(INK.values())))
    written = io.BytesIO()
    image.save(written, "PNG")
    return "data:image/png;base64," + base64.b64encode(written.getvalue()).decode()


def answered(who: str, right: str, passed: bool) -> AnswerView:
    text = right if passed else "nine red circles"
    return AnswerView(who=who, text=text, passed=passed, reason="match" if passed else "unparsed")


def item(at: int) -> GalleryItem:
    rng = random.Random(at)
    skill = SKILLS[at % len(SKILLS)]
    flips = ("wrong to right", "both right", "both wrong", "right to wrong")
    flip = flips[at % 4]
    right = str(rng.randint(0, 5))
    samples = [
        AnswerView(
            who=f"sample {i}",
            text=right if i % 3 else "7",
            passed=bool(i % 3),
            reason="match" if i % 3 else "wrong",
            kept=i == 1,
        )
        for i in range(1, 5)
    ]
    models = [
        answered("seed", right, flip in ("right to wrong", "both right")),
        answered("champion", right, flip in ("wrong to right", "both right")),
    ]
    pool = at % 3 == 0
    return GalleryItem(
        round=at % 2 if pool else None,
        prompt_id=f"{at:032x}",
        skill=skill,
        question=f"how many {rng.choice(list(INK))} circles ?",
        reference=None if at % 10 == 9 else right,
        pictures=tuple(picture(100 * at + i) for i in range(2 if skill == "pair" else 1)),
        answers=tuple(samples if pool else models),
        split="pool" if pool else "report",
        flip=None if pool else flip,
    )
