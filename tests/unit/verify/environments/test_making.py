"""Questions for the environments: made of mazes, of the tiny world and of an album, imported, and checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ratchet.artifacts import ImageBank
from ratchet.cli.app import app
from ratchet.errors import PromptSetError
from ratchet.importing import ImportOptions, ImportReport, import_prompts
from ratchet.promptset import SPLIT_NAMES, open_part
from ratchet.records import Prompt
from ratchet.store import Store, open_store
from ratchet.verify.environments import for_prompts
from ratchet.verify.environments.making import ABOUT, Wanted, make
from ratchet.verify.environments.states import STATES
from tests.unit.verify.environments.asked import noise, png


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    (folder / "more").mkdir(parents=True)
    (folder / "a.png").write_bytes(png(noise(30, 1)))
    Image.fromarray(noise(40, 2)).save(folder / "more" / "b.jpg")
    Image.fromarray(np.kron(noise(40, 3), np.ones((10, 10, 1), np.uint8))).save(folder / "large.png")
    return folder


def imported(folder: Path, store: Store, **options: Any) -> tuple[ImportReport, dict[str, list[Prompt]], ImageBank]:
    report = import_prompts(str(folder), store, ImportOptions(name=folder.name, **options))
    parts = {split: open_part(store, report.set, split) for split in SPLIT_NAMES}
    packs = [pack for part in parts.values() for pack in part.manifest.packs]
    return report, {split: list(part.rows()) for split, part in parts.items()}, ImageBank(store, packs)


@pytest.mark.parametrize("name", STATES)
def test_every_question_made_is_imported_and_its_reference_accepted_and_a_corruption_not(
    name: str, tmp_path: Path, store: Store
) -> None:
    made = make(tmp_path / name, Wanted(name, 40))
    report, parts, bank = imported(tmp_path / name, store)
    assert (made.rows, report.rejected) == (40, {})
    verifier = for_prompts(bank)[name]
    prompts = [prompt for rows in parts.values() for prompt in rows]
    assert len(prompts) == 40
    for prompt in prompts:
        assert prompt.environment is not None
        assert (prompt.environment.name, prompt.verifiers) == (name, (name,))
        assert verifier.self_check(prompt) is None


@pytest.mark.parametrize(
    "wanted", [Wanted("draw", 6, language="svg"), Wanted("transforms", 12), Wanted("transforms", 12, alone=True)]
)
def test_an_album_without_labels_is_enough(wanted: Wanted, album: Path, tmp_path: Path, store: Store) -> None:
    out = tmp_path / "made"
    made = make(out, Wanted(**{**wanted.__dict__, "album": album}))
    assert made == made.__class__(wanted.number)
    report, parts, bank = imported(out, store)
    prompts = [prompt for rows in parts.values() for prompt in rows]
    # Two questions of an album of three may come out the same; the second is refused as such.
    assert set(report.rejected) <= {"duplicate_prompt"}
    assert max(max(ref.width, ref.height) for prompt in prompts for ref in prompt.images) <= 256
    verifier = for_prompts(bank)[wanted.name]
    assert [verifier.self_check(prompt) for prompt in prompts] == [None] * len(prompts)


def test_questions_of_one_picture_never_fall_into_two_splits(album: Path, tmp_path: Path, store: Store) -> None:
    make(tmp_path / "many", Wanted("transforms", 60, album=album, alone=True))
    _, parts, _ = imported(tmp_path / "many", store, shares={"pool": 0.5, "holdout": 0.5})
    keys = {split: {prompt.split_key for prompt in rows} for split, rows in parts.items()}
    assert len(set().union(*keys.values())) == 3
    assert not keys["pool"] & keys["holdout"]


def test_mazes_of_the_same_walls_share_a_key(tmp_path: Path) -> None:
    make(tmp_path, Wanted("navigate", 300))
    rows = [json.loads(line) for line in (tmp_path / "questions.jsonl").read_text().splitlines()]
    walls = {(tuple(row["environment"]["state"]["rows"]), row["split_key"]) for row in rows}
    assert len(walls) == len({key for _, key in walls}) < 300


def test_the_same_seed_makes_the_same_folder_and_another_one_another(tmp_path: Path) -> None:
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        make(tmp_path / out, Wanted("draw", 5, seed))
    a, b, c = ((tmp_path / out / "questions.jsonl").read_bytes() for out in "abc")
    assert a == b != c
    assert (tmp_path / "a/images/000003-0.png").read_bytes() == (tmp_path / "b/images/000003-0.png").read_bytes()


def test_a_file_that_is_no_picture_is_left_out_and_told(album: Path, tmp_path: Path) -> None:
    (album / "bad.png").write_bytes(b"no picture")
    made = make(tmp_path / "out", Wanted("transforms", 8, album=album))
    assert (made.rows, list(made.skipped)) == (8, ["bad.png"])


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted("chess", 1), "no environment 'chess'; there are: navigate, draw, transforms"),
        (Wanted("draw", 1, language="logo"), "no language 'logo'"),
        (Wanted("draw", 1, album=Path()), "--language svg or python"),
        (Wanted("navigate", 1, album=Path()), "leave out --from"),
        (Wanted("transforms", 1, kinds=("crop",), alone=True), "give some of"),
        (Wanted("transforms", 1, kinds=("zoom",)), "give some of"),
    ],
)
def test_what_cannot_be_made_is_told_with_what_can(wanted: Wanted, words: str, tmp_path: Path) -> None:
    with pytest.raises(PromptSetError, match=words):
        make(tmp_path / "out", wanted)


def test_an_album_of_nothing_or_of_blank_sheets_makes_no_questions(tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    with pytest.raises(PromptSetError, match="no picture in"):
        make(tmp_path / "out", Wanted("transforms", 1, album=tmp_path / "album"))
    (tmp_path / "album" / "blank.png").write_bytes(png(np.zeros((9, 9, 3), np.uint8)))
    with pytest.raises(PromptSetError, match="blank pictures"):
        make(tmp_path / "out", Wanted("transforms", 1, album=tmp_path / "album"))


def _row(**fields: Any) -> dict[str, Any]:
    return {"image": "0.png", "question": "which moves ?", **fields}


STATE = {"rows": ["..."], "start": [0, 0], "goal": [0, 2]}
ROWS: dict[str, tuple[dict[str, Any], str | None]] = {
    "a state as JSON": (_row(environment={"name": "navigate", "state": STATE}), None),
    "a state as text": (_row(environment={"name": "navigate", "state": json.dumps(STATE)}), None),
    "all as text": (_row(environment=json.dumps({"name": "navigate", "state": STATE})), None),
    "with a reference": (_row(environment={"name": "navigate", "state": STATE}, answer="right right"), None),
    "a wrong reference": (_row(environment={"name": "navigate", "state": STATE}, answer="left"), "bad_reference"),
    "no such environment": (_row(environment={"name": "chess", "state": {}}), "bad_environment"),
    "no name": (_row(environment={"state": STATE}), "bad_environment"),
    "no mapping": (_row(environment=7), "bad_environment"),
    "no JSON": (_row(environment="{"), "bad_environment"),
    "a state of another": (_row(environment={"name": "navigate", "state": {"language": "svg"}}), "bad_environment"),
    "no way to the goal": (
        _row(environment={"name": "navigate", "state": {**STATE, "rows": [".#."]}}),
        "bad_reference",
    ),
    "another verifier's": (
        _row(environment={"name": "draw", "state": {}}, verifiers=["navigate"]),
        "bad_reference",
    ),
    "none at all": (_row(verifiers=["navigate"], answer="right"), "bad_reference"),
    "empty": (_row(environment="", answer="3"), None),
}


@pytest.mark.parametrize(("row", "reason"), ROWS.values(), ids=ROWS)
def test_a_row_brings_its_environment_or_is_refused_with_a_reason(
    row: dict[str, Any], reason: str | None, tmp_path: Path, store: Store
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "0.png").write_bytes(png(noise(8)))
    good = _row(image="0.png", question="how many ?", answer="3")
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(one) for one in (row, good)))
    report, parts, _ = imported(folder, store)
    assert report.rejected == ({} if reason is None else {reason: 1})
    if reason is None and row["question"] == "which moves ?" and row["environment"]:
        (prompt,) = [p for rows in parts.values() for p in rows if p.environment]
        assert prompt.verifiers == ("navigate",)
        assert json.loads(prompt.environment.state)["rows"] == ["..."]  # type: ignore[union-attr]


def test_the_command_lists_makes_and_says_what_next(tmp_path: Path) -> None:
    run = CliRunner().invoke
    listed = run(app, ["environment", "list", "--json"])
    assert json.loads(listed.output) == ABOUT
    assert set(ABOUT) == set(STATES)
    made = run(app, ["environment", "draw", "navigate", "--out", str(tmp_path / "mazes"), "-n", "3"])
    assert made.exit_code == 0, made.output
    assert "ratchet import" in made.output
    assert len((tmp_path / "mazes" / "questions.jsonl").read_text().splitlines()) == 3
