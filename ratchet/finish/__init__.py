"""The stage `finish`: tells the truth about how the round ended."""

from ratchet.finish.stage import finish, write_papers

__all__ = ["finish", "write_papers"]
