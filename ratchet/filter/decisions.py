"""What the first pass decided: the fate of every row, and the counts by skill, difficulty band and pass rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ratchet.filter.replay import Drawn

BANDS = ("0.0-0.2", "0.2-0.4", "0.4-0.6", "0.6-0.8", "0.8-1.0", "unknown")
"""Bands of difficulty and of pass rate; the lower bound belongs to a band, the upper to the next, except at 1."""
UNKNOWN_RATE = -1.0


def band_of(share: float | None) -> int:
    """Number of a difficulty's or a pass rate's band in BANDS."""
    if share is None:
        return len(BANDS) - 1
    return min(max(int(share * 5), 0), 4)


def bands_of(rates: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """`band_of` for many, where UNKNOWN_RATE stands for None."""
    bands = np.clip((rates * 5).astype(np.int64), 0, 4)
    return np.where(rates == UNKNOWN_RATE, len(BANDS) - 1, bands).astype(np.uint8)


@dataclass(frozen=True)
class PairsLeft:
    """Which pairs of text are left of all rows: `kept` in order of rows and pairs; row i's are those from `starts[i]` on."""

    starts: npt.NDArray[np.int64]
    kept: npt.NDArray[np.bool_]

    def of(self, row: int) -> list[bool]:
        found: list[bool] = self.kept[self.starts[row] : self.starts[row + 1]].tolist()
        return found


class Decisions:
    """The fate of each row, by number: 0 in `codes` is kept, anything else a reason, whose name is in `names`.

    `rates` hold UNKNOWN_RATE where no answer was decided. `pairs` None: every pair of a kept row stays. `drawn` are the groups
    of earlier rounds that are replayed.
    """

    def __init__(
        self,
        codes: npt.NDArray[np.uint8],
        skills: npt.NDArray[np.uint32],
        bands: npt.NDArray[np.uint8],
        rates: npt.NDArray[np.float64],
        skill_names: Sequence[str],
        names: Sequence[str],
        pairs: PairsLeft | None = None,
        drawn: Drawn | None = None,
    ) -> None:
        self.codes, self._skills, self._bands, self._rates = codes, skills, bands, rates
        self._skill_names, self.names, self.pairs, self.drawn = skill_names, names, pairs, drawn

    @property
    def rows(self) -> int:
        return int(self.codes.size)

    @property
    def kept(self) -> int:
        return int((self.codes == 0).sum())

    def reason(self, row: int) -> str:
        return self.names[int(self.codes[row])]

    def pass_rate(self, row: int) -> float | None:
        rate = float(self._rates[row])
        return None if rate == UNKNOWN_RATE else rate

    def reasons(self) -> dict[str, int]:
        """Groups by reason of their drop."""
        found = np.bincount(self.codes, minlength=len(self.names))
        return {name: int(found[code]) for code, name in enumerate(self.names) if code and found[code]}

    def by_skill(self) -> dict[str, dict[str, int]]:
        return self._by(self._skills, self._skill_names)

    def by_band(self) -> dict[str, dict[str, int]]:
        return self._by(self._bands, BANDS)

    def by_pass_rate(self) -> dict[str, dict[str, int]]:
        return self._by(bands_of(self._rates), BANDS)

    def _by(self, column: Any, names: Sequence[str]) -> dict[str, dict[str, int]]:
        """For each name that occurs: rows, kept, and drops by reason."""
        table = np.zeros((len(names), len(self.names)), dtype=np.int64)
        np.add.at(table, (column, self.codes), 1)
        return {
            names[i]: {"rows": int(table[i].sum())}
            | {n: int(table[i, c]) for c, n in enumerate(self.names) if c == 0 or table[i, c]}
            for i in sorted(range(len(names)), key=lambda i: names[i])
            if table[i].any()
        }
