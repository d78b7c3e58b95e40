"""What is counted of marked answers, by the holdout's metrics and by the suites alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DIGITS = 6
"""Decimals that are stored: a sum taken in another order must not change an artifact's digest."""


def share(part: float, whole: float) -> float | None:
    """part / whole; None of nothing."""
    return round(part / whole, DIGITS) if whole else None


@dataclass
class YesNoCounts:
    """Of yes/no questions; precision and recall are of the positive class, an unreadable answer is wrong and says neither."""

    positive: str = "yes"
    items: int = 0
    right: int = 0
    hits: int = 0
    said_positive: int = 0
    true_positive: int = 0
    said_yes: int = 0
    true_yes: int = 0
    parsed: int = 0

    def add(self, said: str | None, truth: str | None) -> None:
        self.items += 1
        self.parsed += said is not None
        self.right += said == truth
        self.hits += said == truth == self.positive
        self.said_positive += said == self.positive
        self.true_positive += truth == self.positive
        self.said_yes += said == "yes"
        self.true_yes += truth == "yes"

    def figures(self) -> dict[str, Any]:
        return {
            "accuracy": share(self.right, self.items),
            "precision": share(self.hits, self.said_positive),
            "recall": share(self.hits, self.true_positive),
            "f1": share(2 * self.hits, self.said_positive + self.true_positive),
            "yes_ratio": share(self.said_yes, self.parsed),
            "true_yes_ratio": share(self.true_yes, self.items),
            "items": self.items,
            "unparsed": share(self.items - self.parsed, self.items),
        }
