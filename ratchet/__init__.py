"""Multimodal models that improve themselves, round by round, behind a gate."""

__version__ = "0.1.0"
