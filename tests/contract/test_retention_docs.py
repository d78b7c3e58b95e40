"""The page on retention tells of the kinds that the code has."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_has_exactly_the_kinds_that_a_sweep_can_delete() -> None:
    told = set(re.findall(r"^\| `([a-z ]+)` \|", (ROOT / "docs" / "retention.md").read_text(encoding="utf-8"), re.M))
    source = (ROOT / "ratchet" / "operations" / "retention" / "sweep.py").read_text(encoding="utf-8")
    made = set(re.findall(r'return "([a-z ]+)"', source)) | set(re.findall(r'self\._whole\(\s*"([a-z ]+)"', source))
    assert told == made
