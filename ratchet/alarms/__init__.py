"""Alarms: failure modes of self-improvement, watched for in every round before it trains and before it promotes."""

from ratchet.alarms.rules import before_promotion, before_training
from ratchet.alarms.seen import Alarm, Seen
from ratchet.alarms.watch import check, raised, stopping, vitals_of, watch

__all__ = ["Alarm", "Seen", "before_promotion", "before_training", "check", "raised", "stopping", "vitals_of", "watch"]
