"""Whole loops played through the shipped gate and ledger, to see how often they err and how soon they find a gain."""

from ratchet.registry.simulation.studies import Study, simulate

__all__ = ["Study", "simulate"]
