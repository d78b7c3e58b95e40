"""Caps and balance between skills. What stays is drawn by hash, so that it does not depend on order or shards."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ratchet.filter import reasons

Codes = npt.NDArray[np.uint8]


def draw_key(prompt_id: str, salt: str) -> int:
    """Place of a prompt in the draw: the lowest are kept."""
    return int.from_bytes(hashlib.blake2b(f"{salt}:{prompt_id}".encode(), digest_size=8).digest(), "big")


def limit_shares(
    codes: Codes,
    skills: npt.NDArray[np.uint32],
    keys: npt.NDArray[np.uint64],
    per_skill: int | None,
    balance: float | None,
) -> Codes:
    """Reason codes with the groups dropped that exceed `per_skill`, then `balance` times the rarest skill that is left."""
    if per_skill is not None:
        codes = cap(codes, skills, keys, per_skill, reasons.OVER_CAP)
    if balance is not None:
        left = np.bincount(skills[codes == 0])
        if left.any():
            most = math.floor(int(left[left > 0].min()) * balance + 1e-9)
            codes = cap(codes, skills, keys, most, reasons.UNBALANCED)
    return codes


def cap(codes: Codes, classes: Any, keys: npt.NDArray[np.uint64], most: int, reason: str) -> Codes:
    """Reason codes where of each class only the `most` lowest keys of the groups not dropped so far are left."""
    codes = codes.copy()
    alive = np.flatnonzero(codes == 0)
    order = alive[np.lexsort((keys[alive], classes[alive]))]
    sorted_classes = classes[order]
    firsts = np.searchsorted(sorted_classes, sorted_classes, side="left")
    codes[order[np.arange(order.size) - firsts >= most]] = reasons.CODES[reason]
    return codes
