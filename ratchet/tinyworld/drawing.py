"""The tiny world as a folder of pictures and JSON lines: a data set of one's own, to try `ratchet import` on."""

from __future__ import annotations

from pathlib import Path

from ratchet import canonical
from ratchet.tinyworld.draw import png
from ratchet.tinyworld.world import items, prompt_of


def draw_folder(out: Path, number: int, seed: int) -> Path:
    """Write `number` items of the pool split: pictures under images/, one line each in questions.jsonl."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    lines = []
    for item in items("pool", number, seed):
        names = []
        for place, picture in enumerate(item.pictures):
            name = f"images/{item.index:05d}-{place}.png"
            (out / name).write_bytes(png(picture))
            names.append(name)
        row = {"id": f"{item.skill}-{item.index}", "images": names, "question": item.question, "answer": item.answer}
        lines.append(
            canonical.dumps(
                {**row, "skill": item.skill, "verifiers": list(item.verifiers), "licence": prompt_of(item)[0].licence}
            )
        )
    path = out / "questions.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path
