"""Question generation: the model also asks."""

from __future__ import annotations
