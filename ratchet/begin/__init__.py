"""The stage `begin`: opens or reopens the round, takes the loop's lease, and checks that what the round needs is there."""

from ratchet.begin.stage import BeginOptions, begin

__all__ = ["BeginOptions", "begin"]
