"""Suites that draw their questions: answers are known because the pictures were made for them, and no item is used twice."""

from ratchet.evaluate.suites.procedural.suites import SUITES

__all__ = ["SUITES"]
