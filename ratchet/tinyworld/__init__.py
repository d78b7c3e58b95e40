"""The embedded world: pictures drawn from seeds, questions with known answers, and a seed model with room to grow."""

from ratchet.tinyworld.oracle import is_right, oracle
from ratchet.tinyworld.world import SKILLS, SPLITS, VERIFIERS, Item, item_at, items, prompt_of

__all__ = ["SKILLS", "SPLITS", "VERIFIERS", "Item", "is_right", "item_at", "items", "oracle", "prompt_of"]
