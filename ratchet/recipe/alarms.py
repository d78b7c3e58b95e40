"""Alarms: what a round watches in itself, and whether it warns or stops."""

from __future__ import annotations

from ratchet.records import Record


class AlarmsConfig(Record):
    """Thresholds of the alarms."""
