"""Foreign text in Markdown: no mark-up, no HTML, no link and no new line can come out of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ratchet.report.words import printable

# What can begin mark-up, and no more, so that the source of a card is readable too: "-", "+", "=" and "1." where the text begins,
# "#" and "@" where a word does, ":" before an address or the name of an emoji, "_" at the edge of a word.
_SPECIAL = re.compile(
    r"([\\`*{}\[\]|~$]|^[+=-]|(?<!\w)[#@](?=\S)|^#|:(?=[A-Za-z+/])|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.)",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"^(\d+)([.)])")
_SPACE = re.compile(r"[\s\u2028\u2029]+")
# Marks that turn the direction of what follows them.
_TURNS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """`text` as the same words in Markdown, on one line."""
    one = _SPACE.sub(" ", _TURNS.sub("", printable(text))).strip()
    escaped = _COUNTED.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", one))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: str) -> str:
    """`text` in a code span: inside of one only back-ticks and line ends mean anything."""
    one = _SPACE.sub(" ", _TURNS.sub("", printable(text))).strip().replace("|", "\u00a6")
    fence = "`" * (max((len(run) for run in re.findall("`+", one)), default=0) + 1)
    edge = " " if one.startswith("`") or one.endswith("`") else ""
    return f"{fence}{edge}{one}{edge}{fence}" if one else "``"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """A table; cells must be Markdown already. Columns from `left` on are numbers."""
    rule = ["---" if place < left else "---:" for place in range(len(head))]
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]
