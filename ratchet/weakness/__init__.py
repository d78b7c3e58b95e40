"""What a model is weak at, measured on the validation split alone: what people read, and what weighs a round's prompts."""

from ratchet.weakness.report import Confusion, Slice, Tally, Weakness

__all__ = ["Confusion", "Slice", "Tally", "Weakness"]
