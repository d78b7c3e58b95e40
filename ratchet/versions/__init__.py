"""Two versions side by side: the same items, paired, from what is stored or measured now."""

from ratchet.versions.comparing import Wanted, compare
from ratchet.versions.result import Comparison, Flip, Line

__all__ = ["Comparison", "Flip", "Line", "Wanted", "compare"]
