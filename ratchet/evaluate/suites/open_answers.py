"""Open answers of a word, a name or a number, as MMMU's script reads them (MMMU-Benchmark/MMMU, eval/eval_utils.py).

An answer is cut into sentences; of each that has one, what follows the last of some words ("is", "so", "answer", "=") is the part that
counts, else the whole answer. It is right when a number in it, to two decimals, is the reference's, or when the reference's words stand in
it. Theirs finds the reference's letters anywhere ("ion" in "fashion"), takes a list of references that is written as text, as the Parquet
files have it, for one reference, and never cuts at a full stop, because it looks for capitals in text made small; here words count
whole, such a list is read, and sentences end.
"""

from __future__ import annotations

import ast
import re

from ratchet.evaluate.suites.base import Asked, Mark
from ratchet.verify.extract import UNPARSED, answers
from ratchet.verify.text import normalise, plain_words

_SENTENCES = re.compile(r"\.\s+|\n+")
_CUES = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_TRIVIAL = {":", ",", ".", "!", "?", ";", "'", ""}
_NUMBER = re.compile(
    r"-?\b\d{1,3}(?:,\d{3})+(?:\.\d+)?\b|-?\d+(?:\.\d+)?[eE][+-]?\d{1,3}|-?(?:\d+\.\d+|(?<!\d)\.\d+|\d+)(?![\d,]*\d)"
)
_LONGEST = 30


def mark(item: Asked, answer: str) -> Mark:
    """Right when a part that counts has one of the references."""
    said = [part for text in answers(answer) for part in _parts(text)]
    if not said:
        return Mark(0.0, None, UNPARSED)
    wanted = references(item.reference or "")
    found = next((part for part in said if any(_holds(part, one) for one in wanted)), None)
    return Mark(float(found is not None), found if found is not None else said[-1])


def same_words(item: Asked, answer: str) -> Mark:
    """Right when the answer has the reference's words and no others, articles and punctuation aside."""
    said = plain_words(answer)
    return Mark(float(said == plain_words(item.reference or "")), said) if said else Mark(0.0, None, UNPARSED)


def references(reference: str) -> list[str]:
    """The references: one, or those of a list in Python's notation."""
    if reference.startswith("[") and reference.endswith("]"):
        try:
            found = ast.literal_eval(reference)
        except (ValueError, SyntaxError):
            return [reference]
        if isinstance(found, list) and found:
            return [str(one) for one in found]
    return [reference]


def _parts(text: str) -> list[str]:
    plain = " ".join(text.split(" ")).strip().strip(".").lower()
    sentences = [part.strip() for part in _SENTENCES.split(plain) if part.strip()]
    found = []
    for place, sentence in enumerate(sentences):
        cues = (*_CUES, "=") if place == len(sentences) - 1 else _CUES
        tails = [sentence.rpartition(cue)[2].strip() for cue in cues if cue in sentence]
        if tails and (shortest := min(tails, key=len)) not in _TRIVIAL:
            found.append(shortest)
    return found or ([plain] if plain else [])


def _holds(part: str, reference: str) -> bool:
    """Whether a part has the reference: as a number in it, or as words."""
    number = _value(reference)
    if number is not None:
        return any(_value(one) == number for one in _NUMBER.findall(part))
    words = plain_words(reference)
    if not words:
        return normalise(reference) == normalise(part)
    return f" {words} " in f" {plain_words(part)} "


def _value(text: str) -> float | None:
    """A number to two decimals; None where the text is none, or one that nobody means."""
    plain = text.strip().replace(",", "")
    if len(plain) > _LONGEST or not re.fullmatch(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?", plain):
        return None
    return round(float(plain), 2)
