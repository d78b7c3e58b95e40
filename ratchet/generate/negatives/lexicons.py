"""The lexicons by name."""

from __future__ import annotations

from ratchet.generate.negatives.lexicon import Lexicon


def lexicon_of(words: str) -> Lexicon:
    """tinyworld's, or else that of English photographs."""
    if words == "tinyworld":
        from ratchet.tinyworld.lexicon import tinyworld_lexicon

        return tinyworld_lexicon()
    from ratchet.generate.negatives.english import ENGLISH

    return ENGLISH
