"""The tables of docs/report.md against the templates: every section that a page may have, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "ratchet/report/templates"
DOCS = (ROOT / "docs/report.md").read_text()


def listed() -> dict[str, str]:
    """Anchor and word of every section in the documentation."""
    return {anchor: word for word, anchor in re.findall(r"^\| (\w+) \| `(\w+)` \|", DOCS, re.M)}


def linked() -> dict[str, str]:
    """Anchor and word of every link at the top of the pages."""
    pages = [(TEMPLATES / f"{name}.html.j2").read_text() for name in ("loop", "round", "people_link")]
    return {anchor: word for page in pages for anchor, word in re.findall(r'<a href="#(\w+)">(\w+)</a>', page)}


def test_every_section_of_the_pages_has_a_row_with_its_word() -> None:
    assert listed() == linked()


def test_every_section_is_there() -> None:
    text = "".join(path.read_text() for path in TEMPLATES.glob("*.j2"))
    assert {*listed()} <= {*re.findall(r'<section id="(\w+)"', text)}


def test_ci_keeps_the_pictures_where_the_page_says() -> None:
    assert "build/screens/" in DOCS
    assert 'RATCHET_SCREENSHOTS="${RATCHET_SCREENSHOTS:-$PWD/build/screens}"' in (ROOT / ".ci/run").read_text()
    assert "build/" in (ROOT / ".gitignore").read_text().splitlines()
