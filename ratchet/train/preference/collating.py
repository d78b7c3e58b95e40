"""Rows of pairs as tensors, where the picture is not the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from trl.trainer.kto_trainer import DataCollatorForVisionUnpairedPreference

BAD, CLEAN, CONTENT, ROWS = "bad", "clean", "content", "rows"


class PictureCollator:
    """What TRL's collator for DPO makes (the chosen halves, then the rejected ones), and parts beside it.

    `rejected_images`, where rows have them, stand beside the rejected answer. The parts are batches of their own, as other
    pictures may have other numbers of tokens: `bad`, the chosen answers beside bad pictures; with `clean` the same rows beside their
    own; `content`, the captions. A part is left out where no row has it; its `rows` are numbers of rows, in order.
    """

    def __init__(self, processor: Any, *, clean: bool) -> None:
        # One answer and its pictures a row: two of these make a pair whose pictures differ.
        self._one = DataCollatorForVisionUnpairedPreference(processor, calculate_kl=False)
        self._clean = clean

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        chosen = [_side(row, row["images"], row["prompt"], row["chosen"]) for row in examples]
        rejected = [
            _side(row, row.get("rejected_images") or row["images"], row["prompt"], row["rejected"]) for row in examples
        ]
        made = self._batch([*chosen, *rejected])
        bad = [n for n, row in enumerate(examples) if row.get("bad_images")]
        if bad:
            sides = [_side(row, row["bad_images"], row["prompt"], row["chosen"]) for row in (examples[n] for n in bad)]
            made[BAD] = self._batch(sides, bad)
            if self._clean:
                made[CLEAN] = self._batch([chosen[n] for n in bad], bad)
        described = [n for n, row in enumerate(examples) if row.get("content")]
        if described:
            rows = [examples[n] for n in described]
            sides = [_side(row, row["images"], row["content_prompt"], row["content"]) for row in rows]
            made[CONTENT] = self._batch(sides, described)
        return made

    def _batch(self, sides: Sequence[dict[str, Any]], rows: Sequence[int] | None = None) -> dict[str, Any]:
        # TRL writes into the rows that it is given.
        made = dict(self._one([dict(side) for side in sides]))
        del made["label"]
        return made if rows is None else {**made, ROWS: torch.tensor(rows)}


def _side(_row: dict[str, Any], images: Any, prompt: Any, completion: Any) -> dict[str, Any]:
    return {"images": images, "prompt": prompt, "completion": completion, "label": True}
