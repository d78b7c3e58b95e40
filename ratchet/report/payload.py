"""The gallery as JSON that is safe inside a script element.

The page's script makes a card only when it scrolls near; it sets every text as text, never as markup.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import orjson
from markupsafe import Markup

from ratchet import canonical
from ratchet.report.view import AnswerView, GalleryItem
from ratchet.report.words import printable

# Only raster pictures inside the page itself: no address that a browser would fetch, no SVG.
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+")
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
WORDS = {True: "right", False: "wrong", None: "unscored"}


def payload(items: Iterable[GalleryItem]) -> Markup:
    """All items as JSON without any character that could end the script element."""
    pictures: dict[str, int] = {}
    shown = list(items)
    keyed = zip(shown, keys(shown), strict=True)
    body = {"items": [{"key": key, **_item(item, pictures)} for item, key in keyed], "pictures": list(pictures)}
    body["flips"] = flip_totals(shown)
    return Markup(json_in_script(body))


def flip_totals(items: Iterable[GalleryItem]) -> dict[str, int]:
    """How many items flipped so in all that the gallery is drawn from, which may be more than it has room for."""
    places: dict[tuple[str, str, int | None], list[GalleryItem]] = {}
    for item in items:
        if item.flip is not None:
            places.setdefault((item.flip, item.split, item.round), []).append(item)
    totals = Counter[str]()
    for (flip, _, _), found in places.items():
        totals[flip] += max(len(found), found[0].flips or 0)
    return dict(totals)


def embedded(pictures: Iterable[str]) -> list[str]:
    """The pictures that may stand in a page."""
    return [picture for picture in pictures if _PICTURE.fullmatch(picture)]


def keys(items: Iterable[GalleryItem]) -> list[str]:
    """A short name for each item, which stays the same in every report that has it: its address is #item-<key>."""
    met = Counter[str]()
    made = []
    for item in items:
        key = canonical.digest([item.prompt_id, item.split, item.round])[:10]
        met[key] += 1
        made.append(key if met[key] == 1 else f"{key}-{met[key]}")
    return made


def json_in_script(value: Any) -> str:
    written = orjson.dumps(value).decode()
    return re.sub("[<>&\u2028\u2029]", lambda m: _ESCAPES[m.group()], written)


def _item(item: GalleryItem, pictures: dict[str, int]) -> dict[str, Any]:
    shown = embedded(item.pictures)
    return {
        "round": item.round,
        "id": printable(item.prompt_id),
        "skill": printable(item.skill),
        "question": printable(item.question),
        "reference": None if item.reference is None else printable(item.reference),
        "pictures": [pictures.setdefault(p, len(pictures)) for p in shown],
        "left": item.left_out,
        "split": item.split,
        "flip": item.flip,
        "answers": [_answer(a) for a in item.answers],
    }


def _answer(answer: AnswerView) -> dict[str, Any]:
    return {
        "who": printable(answer.who),
        "sample": answer.who.startswith("sample "),
        "text": printable(answer.text),
        "verdict": WORDS[answer.passed],
        "reason": printable(answer.reason),
        "kept": answer.kept,
        "sampled": answer.sampled,
        "said": {printable(name): WORDS[passed] for name, passed in answer.said.items()},
    }
