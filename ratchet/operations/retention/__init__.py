"""Objects and pictures that are no longer wanted: what may go, what must stay, and taking it away."""

from ratchet.operations.retention.forgetting import Told, forget
from ratchet.operations.retention.sweep import LEAST, Kind, Sweep, collect

__all__ = ["LEAST", "Kind", "Sweep", "Told", "collect", "forget"]
