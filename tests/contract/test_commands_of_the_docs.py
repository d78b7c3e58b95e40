"""Every command that the README and the docs tell a person to type is taken by the program as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commands import bare, lacks, named, typed

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_shows_commands_with_all_that_they_require(page: Path) -> None:
    assert [why for line in typed(page.read_text(encoding="utf-8")) if (why := lacks(line)) is not None] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_running_text_shows_commands_that_exist_and_options_that_they_take(page: Path) -> None:
    """A bare name is a name; with an option or an argument it is what one types, and must be whole."""
    lines = named(page.read_text(encoding="utf-8"))
    assert [why for line in lines if (why := lacks(line)) is not None and not _only_names(line, why)] == []


def _only_names(line: str, why: str) -> bool:
    return bare(line) and "Missing" in why


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("ratchet init --loop mine", "Missing option '--seed'"),
        ("ratchet profile show > mine.yaml", "Missing argument 'profile'"),
        ("ratchet profile", "Missing command"),
        ("ratchet profile make", "there is no make"),
        ("ratchet submit --lopo mine", "No such option"),
        ("ratchet logs", "Missing argument 'run'"),
        ("ratchet runs --most few", "Invalid value for '--most'"),
    ],
)
def test_a_command_that_would_not_be_taken_is_found(line: str, what: str) -> None:
    why = lacks(line)
    assert why is not None
    assert what in why


def test_commands_are_found_in_every_kind_of_code() -> None:
    text = "text\n\n   ```sh\n   pod ratchet a --x \\\n       y > out\n   ```\n\n    ratchet b   # why\n\n```\nkubectl exec d -- ratchet c | cat\n```\n"
    assert sorted(typed(text)) == ["ratchet a --x y", "ratchet b", "ratchet c"]


def test_the_readme_reaches_the_trigger_as_the_installation_does_for_several_users_and_for_one() -> None:
    readme, page = (
        re.findall(r"^ *pod\(\) \{.*?\}$", path.read_text(encoding="utf-8"), re.M | re.S)
        for path in (ROOT / "README.md", ROOT / "docs" / "kubernetes.md")
    )
    assert [_plain(one) for one in readme] == [_plain(one) for one in page]
    assert len(readme) == 2


def _plain(code: str) -> list[str]:
    return re.sub(r" # .*", "", code).split()
