"""The stage `finish`: tells the truth about how the round ended."""

from ratchet.finish.stage import finish

__all__ = ["finish"]
