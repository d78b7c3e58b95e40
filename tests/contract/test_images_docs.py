"""docs/images.md against the Dockerfiles: every build argument with its default, every image with its locks."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "images.md").read_text()
FILES = {file.name.split(".")[0]: file.read_text() for file in (ROOT / "Dockerfiles").glob("*.Dockerfile")}


def rows(first: str) -> list[list[str]]:
    """Cells of the table whose head begins with `first`."""
    _, rest = TEXT.split(f"| {first} |", 1)
    lines = rest.split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_of_build_arguments_is_that_of_the_dockerfiles() -> None:
    said: dict[str, dict[str, str]] = {name: {} for name in FILES}
    for names, images, default, _ in rows("build argument"):
        for image in images.split(", "):
            said[image] |= {name.strip("`"): default.strip("`") for name in names.split(", ")}
    for image, text in FILES.items():
        assert said[image] == {n: v.strip('"') for n, v in re.findall(r"^ARG (\w+)=(.+)$", text, re.M)}


def test_every_image_is_listed_with_locks_that_exist() -> None:
    listed = {cells[0].strip("`").removeprefix("ratchet-"): cells for cells in rows("image | holds")}
    assert listed.keys() == FILES.keys()
    for cells in listed.values():
        assert all((ROOT / lock).is_file() for lock in re.findall(r"`(requirements/[^`]+)`", " ".join(cells)))
