"""The tables of docs/suites.md against the code: every suite that reads files, and every cross-check with its tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from ratchet.evaluate.suites import SUITES
from tests import crosscheck

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "suites.md").read_text(encoding="utf-8")
FILED = {name: one for name, one in SUITES.items() if one.load is not None}


def rows(heading: str, cells: int) -> list[list[str]]:
    """The rows of the table under a heading that name a suite."""
    _, _, after = TEXT.partition(f"\n## {heading}\n")
    found = [line.strip("|").split("|") for line in after.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    assert all(len(row) == cells for row in found), f"a row under {heading!r} has not {cells} cells"
    return [[cell.strip() for cell in row] for row in found]


def test_the_table_of_suites_says_what_the_code_says() -> None:
    told = {row[0].strip("`"): row[1:] for row in rows("What there is", 6)}
    said = {
        name: [one.title, one.measures, f"{'' if one.higher else 'lower '}`{one.primary}`", one.needs, one.paper]
        for name, one in FILED.items()
    }
    assert sorted(told) == sorted(said)
    for name, cells in told.items():
        assert cells == said[name], name


def test_no_cell_of_the_catalogue_breaks_the_table() -> None:
    for one in FILED.values():
        assert not [text for text in (one.title, one.measures, one.needs, one.paper) if "|" in text or "\n" in text]


def test_a_cross_checks_row_names_a_suite_a_task_and_tests_that_exist() -> None:
    known = {
        node.name
        for path in (ROOT / "tests" / "unit" / "evaluate").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    found = rows("Cross-check with lmms-eval", 5)
    assert found
    for suite, task, same, _, tests in found:
        assert suite.strip("`") in FILED
        assert all((task, same)), suite
        named = re.findall(r"`(test_\w+)`", tests)
        assert named, f"{suite} names no test"
        assert set(named) <= known, suite


def test_the_tasks_are_lmms_evals() -> None:
    tasks = crosscheck.folder() / "tasks"
    for suite, task, *_ in rows("Cross-check with lmms-eval", 5):
        assert (tasks / task).is_dir(), f"{suite}: lmms-eval has no task {task}"
