"""Text as verifiers compare it: one normal form, and readers of numbers, lists and yes or no.

Readers return every reading that a text allows; `extract` decides whether that is one, none or too many. All of them run
in linear time, whatever a model wrote.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from functools import lru_cache

# Zero-width and direction marks, which nobody sees, and the soft hyphen.
_INVISIBLE = dict.fromkeys([0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF])
_LEADING = " \"'`*"
_TRAILING = " \"'`*.,;:!?。，、；：！？"
_PASSES = 4
# Normal forms sort a run of combining marks in quadratic time; Unicode's stream-safe text has at most 30 in a row.
_MOST_MARKS = 30
_SHORT = 1000
# Superscripts, subscripts and fractions: NFKC would read 3² as 32 and 1½ as 11/2.
_NO_NUMBER = re.compile("[²³¹⁰-₟¼-¾⅐-↉]")
# With the marks that strike a digit through: "3̸" is no 3.
_TOKEN = re.compile(r"[\w.,+\u0300-\u036f\u20d0-\u20ff-]+")
# At most 30 digits and three of exponent: what matches is cheap to compute with.
NUMBER = r"[+-]?(?:(?:[0-9]{1,3}(?:,[0-9]{3}){1,9}|[0-9]{1,30})(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:e[+-]?[0-9]{1,3})?"
_NUMBER = re.compile(NUMBER)
_DIGIT = re.compile(r"[0-9]")
_WORD = re.compile(r"[^\W\d_]+")
_UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_TEENS = (
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
)
NUMBER_WORDS: dict[str, Decimal] = {word: Decimal(value) for value, word in enumerate(_UNITS + _TEENS)}
_CLAUSE = re.compile(r"[.,;:!?\n]+")
_YES_NO = frozenset({"yes", "no"})
_ARTICLES = frozenset({"a", "an", "the"})
_DIGITS = {word: str(value) for word, value in NUMBER_WORDS.items()}
_WORDS_AND_NUMBERS = re.compile(r"-?\.?[0-9][0-9.]*%?|[^\W_]+")
_FILLERS = _YES_NO | {"and", "or"}
_IRREGULAR = {"people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse", "geese": "goose",
              "knives": "knife", "feet": "foot", "teeth": "tooth", "leaves": "leaf", "shelves": "shelf"}  # fmt: skip


def normalise(text: str) -> str:
    """Compatible characters as one (NFKC), no case, single blanks, no quotes around and no punctuation at the end.

    Idempotent. Letters of other alphabets that look alike stay different: a Cyrillic "а" is no Latin "a".
    """
    if text.isascii():
        return _trim(text.lower())
    if len(text) > _SHORT:
        text = _stream_safe(text)
    for _ in range(_PASSES):
        # Folding case can undo NFKC and the other way round; a few passes reach the fixed point.
        folded = _trim(
            unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.translate(_INVISIBLE)).casefold())
        )
        if folded == text:
            break
        text = folded
    return text


def compatible(text: str) -> str:
    """Compatible characters as one (NFKC), and nothing else changed but what nobody sees."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", _stream_safe(text.translate(_INVISIBLE)))


def plain_words(text: str) -> str:
    """Words alone: normalised, no punctuation but inside of numbers, no articles, English numbers up to twenty as digits."""
    words = (word.strip(".-") for word in _WORDS_AND_NUMBERS.findall(normalise(text)))
    return " ".join(_DIGITS.get(word, word) for word in words if word and word not in _ARTICLES)


def _trim(text: str) -> str:
    return " ".join(text.split()).lstrip(_LEADING).rstrip(_TRAILING)


def _stream_safe(text: str) -> str:
    kept, run = [], 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def numbers(text: str) -> list[Decimal]:
    """Every number in the text: digits ("3", "3.0", "1,000", "2e3") or English words from zero to twenty.

    Digits go before words, so that "one of the 3" reads 3. A number stands alone: "3-4", "2+2" and "x3" hold none. NaN,
    infinity and what overflows a float are no numbers.
    """
    if _NO_NUMBER.search(text):
        return []
    plain = normalise(text).replace("−", "-")
    if _DIGIT.search(plain) is None:
        return [NUMBER_WORDS[word] for word in _WORD.findall(plain) if word in NUMBER_WORDS]
    tokens = [token.rstrip(".,") for token in _TOKEN.findall(plain)]
    found = [token.replace(",", "") for token in tokens if _NUMBER.fullmatch(token)]
    return [Decimal(one) for one in found if abs(float(one)) != float("inf")]


def items(text: str) -> list[str]:
    """The items of a list separated by commas, normalised; empty ones are dropped."""
    return [item for item in map(normalise, text.split(",")) if item]


def yes_no(text: str) -> list[bool]:
    """What a text says, in its order: the first word, a clause of its own, or else any word that is yes or no.

    "yes, there is no doubt" says yes; "yes or no" and "No. Yes." say both.
    """
    plain = normalise(text)
    words = _WORD.findall(plain)
    said = [words[0]] if words and words[0] in _YES_NO else []
    said += [clause for clause in map(normalise, _CLAUSE.split(plain)) if clause in _YES_NO]
    if not said or _FILLERS.issuperset(words):
        said += [word for word in words if word in _YES_NO]
    return [one == "yes" for one in dict.fromkeys(said)]


@lru_cache(maxsize=16_384)
def singular(word: str) -> str:
    """An English word without its plural ending; wrong for few words, and the same for a name and its mention."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 40 or len(word) < 4 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") else word
