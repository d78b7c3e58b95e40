"""Guided generation: what the model is shown differs from the prompt that is stored."""

from __future__ import annotations
