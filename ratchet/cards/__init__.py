"""A model card for every promoted version: Markdown with a YAML head, as the Hugging Face hub reads it."""

from ratchet.cards.facts import Facts, facts_of
from ratchet.cards.keeping import card_of, keep_card
from ratchet.cards.writing import written

__all__ = ["Facts", "card_of", "facts_of", "keep_card", "written"]
