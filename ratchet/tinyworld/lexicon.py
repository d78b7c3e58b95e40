"""The tiny world's words for injection, and questions that mislead in them. All of them are in the seed's vocabulary."""

from __future__ import annotations

from functools import cache

from ratchet.generate.negatives.lexicon import Lexicon
from ratchet.tinyworld.questions import NOTHING, name
from ratchet.tinyworld.scene import COLOURS, COLUMNS, DIRECTIONS, KINDS, ROWS, SHAPES

LARGEST = 18
"""The largest number that the seed's tokenizer knows."""

MISLEADING: tuple[str, ...] = (
    *(f"{{question}} hint : there is a {name(kind)} in the picture ." for kind in KINDS),
    *(f"{{question}} look carefully . there is a {name(kind)} ." for kind in KINDS),
    "{question} hint : there is more in the picture .",
    "{question} describe more objects .",
)
"""Templates for `words.misleading`. Some name what the picture does hold: to mislead is to say so without looking."""


@cache
def tinyworld_lexicon() -> Lexicon:
    """Shapes, colours and places; any coloured shape may be inserted. Digits are counts."""
    places = Lexicon(
        guests=tuple(name(kind) for kind in KINDS),
        choices=(("first", "second", "same"),),
        nothing=(NOTHING,),
        largest=LARGEST,
        comma=" , ",
        articles=False,
    )
    places = places.with_words(objects=SHAPES, attributes=COLOURS, relations=ROWS).with_words(relations=COLUMNS)
    return places.with_words(relations=DIRECTIONS).with_words(relations=("above", "below"))
