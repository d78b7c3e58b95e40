"""Scores of a set of boxes against another: F1 with one-to-one matching, and COCO's mean average precision."""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.verify.protocol import reaches
from ratchet.verify.rules.boxes import Box, iou

COCO_OVERLAPS = tuple(0.5 + 0.05 * step for step in range(10))


def detection_f1(ours: Sequence[Box], truth: Sequence[Box], overlap: float) -> float:
    """F1 over boxes that match one to one: the same label and at least `overlap` in common, most matches possible."""
    matches = sum(
        _matches([b for b in ours if b.label == label], [b for b in truth if b.label == label], overlap)
        for label in {b.label for b in truth}
    )
    return 2 * matches / (len(ours) + len(truth)) if ours or truth else 1.0


def _matches(ours: Sequence[Box], truth: Sequence[Box], overlap: float) -> int:
    import numpy as np
    from scipy.optimize import linear_sum_assignment  # 100 ms, for this rule alone

    if not ours or not truth:
        return 0
    fits = np.array([[reaches(iou(one, other), overlap) for other in truth] for one in ours], dtype=float)
    rows, columns = linear_sum_assignment(fits, maximize=True)
    return int(fits[rows, columns].sum())


def average_precision(ours: Sequence[Box], truth: Sequence[Box], overlaps: Sequence[float] = COCO_OVERLAPS) -> float:
    """Mean over labels and overlaps of the average precision (COCO, 101 points).

    Boxes are ranked by how sure the answer is of them; what says nothing comes in the order of the answer, last.
    """
    labels = sorted({b.label for b in truth})
    strange = {b.label for b in ours} - set(labels)
    scores = [
        _one_precision([b for b in ours if b.label == label], [b for b in truth if b.label == label], overlap)
        for label in labels
        for overlap in overlaps
    ]
    # A label that is not there at all counts as one more that is wrong: COCO leaves it out, and a reward must not.
    return sum(scores) / (len(scores) + len(strange) * len(overlaps)) if scores else 0.0


def _one_precision(ours: Sequence[Box], truth: Sequence[Box], overlap: float) -> float:
    ranked = sorted(ours, key=lambda b: b.sure if b.sure is not None else -1e9, reverse=True)
    free = list(truth)
    precisions: list[float] = []
    recalls: list[float] = []
    for number, box in enumerate(ranked, start=1):
        best = max(free, key=lambda other: iou(box, other), default=None)
        if best is not None and reaches(iou(box, best), overlap):
            free.remove(best)
        hits = len(truth) - len(free)
        precisions.append(hits / number)
        recalls.append(hits / len(truth))
    for place in range(len(precisions) - 2, -1, -1):
        precisions[place] = max(precisions[place], precisions[place + 1])
    return sum(_at(step / 100, recalls, precisions) for step in range(101)) / 101


def _at(recall: float, recalls: Sequence[float], precisions: Sequence[float]) -> float:
    return next((p for r, p in zip(recalls, precisions, strict=True) if reaches(r, recall)), 0.0)
