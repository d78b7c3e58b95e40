"""Shards named by one pattern, as WebDataset does: pool-{00000..00099}.tar, {train,extra}.tar."""

from __future__ import annotations

import re
from itertools import product

from ratchet.errors import PromptSetError

MOST = 100_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d{1,12})\.\.(\d{1,12})")


def expanded(pattern: str) -> list[str]:
    """All names of a pattern, in order; numbers keep the zeros that they are written with. Raises PromptSetError."""
    parts = _BRACES.split(pattern)
    choices = [_choices(part, pattern) if place % 2 else [part] for place, part in enumerate(parts)]
    total = 1
    for one in choices:
        total *= len(one)
    if total > MOST:
        raise PromptSetError(f"{pattern!r} names {total} files, more than {MOST}; give the folder that holds them.")
    return list(dict.fromkeys("".join(chosen) for chosen in product(*choices)))


def _choices(inside: str, pattern: str) -> list[str]:
    found = _RANGE.fullmatch(inside)
    if found is None:
        if "," in inside:
            return inside.split(",")
        raise PromptSetError(f"{{{inside}}} in {pattern!r} is no pattern; write {{00000..00099}} or {{one,other}}.")
    first, last = int(found[1]), int(found[2])
    if not 0 <= last - first < MOST:
        raise PromptSetError(
            f"{{{inside}}} in {pattern!r} must count upwards, over {MOST} files at most; mend it, or give the folder."
        )
    width = len(found[1]) if found[1].startswith("0") else 0
    return [f"{number:0{width}d}" for number in range(first, last + 1)]
