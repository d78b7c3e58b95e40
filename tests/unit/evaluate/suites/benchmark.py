"""A small POPE in its published format: yes/no questions over a few pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.tiny import png

COLOURS = ("red", "green", "blue", "white")


def pope(folder: Path, questions: int = 12, pictures: int = 4, parts: Sequence[str] = ("random",)) -> Path:
    """`questions` of each part; every `pictures`-th shows the same picture, and every other answer is yes."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Mapping[str, Any]] = []
    for part in parts:
        for number in range(questions):
            name = f"{number % pictures}.png"
            (folder / name).write_bytes(png(COLOURS[number % pictures % len(COLOURS)], 8 + number % pictures))
            rows.append(
                {
                    "question_id": str(number),
                    "question": f"Is there object {number // 2} in the image?",
                    "answer": ("yes", "no")[number % 2],
                    "image_source": f"picture {number % pictures}",
                    "image": name,
                    "category": part,
                }
            )
    (folder / "test.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder
