"""What the page names and links is there. Commands: test_commands_of_the_docs.py."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")


def test_every_check_that_is_named_is_one_of_preflight() -> None:
    from ratchet.preflight.catalogue import CHECKS

    assert set(re.findall(r"--only (\w+)`", PAGE)) <= {one.name for one in CHECKS}


def test_every_page_that_is_linked_exists() -> None:
    named = set(re.findall(r"docs/(\w+)\.md", PAGE + (ROOT / "README.md").read_text(encoding="utf-8")))
    assert {name for name in named if not (ROOT / "docs" / f"{name}.md").is_file()} == set()
    assert len(named) > 15
