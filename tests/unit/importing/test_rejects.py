from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ratchet.errors import PromptSetError, StoreError
from ratchet.promptset import open_part
from ratchet.store import FolderStore
from tests.unit.importing.samples import encoded, folder_of, imported, png, png_bomb, png_claiming, rows_of

GOOD = rows_of(1)[0]


def rejected(
    tmp_path: Path, row: dict[str, Any], pictures: dict[str, bytes] | None = None, **changes: Any
) -> dict[str, Any]:
    """What is said of one bad row that follows a good one."""
    source = folder_of(
        tmp_path / "in", [GOOD, row], {"images/0.png": png(0), "images/1.png": png(1), **(pictures or {})}
    )
    report, rejects = imported(tmp_path, source, **changes)
    assert (report.rows_read, report.accepted, len(rejects)) == (2, 1, 1)
    assert report.rejected == {rejects[0]["reason"]: 1}
    assert (rejects[0]["file"], rejects[0]["row"]) == ("rows.jsonl", 2)
    return rejects[0]


BAD_ROWS: dict[str, dict[str, Any]] = {
    "no_picture": {"image": None},
    "missing_picture": {"image": "images/none.png"},
    "path_outside": {"image": "../secret.png"},
    "no_question": {"question": "  "},
    "duplicate_id": {"id": GOOD["id"]},
    "duplicate_prompt": {"image": GOOD["image"], "question": GOOD["question"]},
    "no_reference": {"answer": None},
    "bad_reference": {"answer": "many", "verifiers": ["numeric"]},
    "unknown_verifier": {"verifiers": ["oracle"]},
    "bad_choices": {"choices": ["one"]},
    "wrong_type": {"question": {"text": "how many?"}},
}


@pytest.mark.parametrize("reason", BAD_ROWS)
def test_a_bad_row_is_rejected_with_its_reason_and_a_sentence(tmp_path: Path, reason: str) -> None:
    row = {**rows_of(1, 1)[0], **BAD_ROWS[reason]}
    reject = rejected(tmp_path, row)
    assert reject["reason"] == reason
    assert len(reject["detail"]) > 20
    assert reject["id"] == row["id"]
    assert row["id"] in reject["raw"]


@pytest.mark.parametrize(
    "changes",
    [
        {"difficulty": "hard"},
        {"difficulty": True},
        {"answer": {"value": 3}},
        {"image": 7},
        {"skill": ["count"]},
        {"verifiers": 3},
        {"question": [{"role": "robot", "content": "hm?"}]},
        {"question": ["how many?"]},
    ],
)
def test_values_of_the_wrong_type_are_rejected(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert rejected(tmp_path, {**rows_of(1, 1)[0], **changes})["reason"] == "wrong_type"


@pytest.mark.parametrize("answer", ["A", "Z", "mouse", 1])
def test_an_answer_that_is_no_choice_or_two_choices_is_rejected(tmp_path: Path, answer: object) -> None:
    row = {**rows_of(1, 1)[0], "answer": answer, "choices": ["1", "A", "2"] if answer in ("A", 1) else ["cat", "dog"]}
    reject = rejected(tmp_path, row)
    assert reject["reason"] == "bad_reference"
    assert "choice" in reject["detail"]


@pytest.mark.parametrize(
    "path", ["../out.png", "images/../../out.png", "{root}/out.png", "images/link.png", "deep/out.png"]
)
def test_no_path_leads_out_of_the_source(tmp_path: Path, path: str) -> None:
    (tmp_path / "out.png").write_bytes(png(5))
    source = folder_of(tmp_path / "in", [GOOD])
    (source / "images" / "link.png").symlink_to(tmp_path / "out.png")
    (source / "deep").symlink_to(tmp_path)
    with (source / "rows.jsonl").open("a") as file:
        file.write(json.dumps({**rows_of(1, 1)[0], "image": path.format(root=tmp_path)}) + "\n")
    _, rejects = imported(tmp_path, source)
    assert [reject["reason"] for reject in rejects] == ["path_outside"]


def test_a_link_inside_of_the_source_is_followed(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", [GOOD])
    (source / "images" / "link.png").symlink_to("0.png")
    with (source / "rows.jsonl").open("a") as file:
        file.write(json.dumps({**rows_of(1, 1)[0], "image": "images/link.png"}) + "\n")
    report, _ = imported(tmp_path, source)
    assert (report.accepted, report.images) == (2, 1)


BAD_PICTURES = {
    "empty": (b"", "empty_picture"),
    "text": (b"not a picture", "unreadable_picture"),
    "cut": (png(1, (200, 200))[:-60], "unreadable_picture"),
    "no-width": (png_claiming(0, 5), "unreadable_picture"),
    "huge-header": (png_claiming(60_000, 60_000), "giant_picture"),
    "large-header": (png_claiming(9000, 9000), "giant_picture"),
    "bomb": (png_bomb(12_000, 12_000), "giant_picture"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "unreadable_picture"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unreadable_picture"),
    "float": (encoded(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"), "deep_picture"),
    "sixteen-bit": (encoded(Image.fromarray(np.full((4, 4), 40_000, np.uint16)), "PNG"), "deep_picture"),
}


@pytest.mark.parametrize("kind", BAD_PICTURES)
def test_a_bad_picture_is_rejected_before_it_can_harm(tmp_path: Path, kind: str) -> None:
    data, reason = BAD_PICTURES[kind]
    start = time.perf_counter()
    assert rejected(tmp_path, rows_of(1, 1)[0], {"images/1.png": data})["reason"] == reason
    assert time.perf_counter() - start < 5


def test_the_pixel_limit_can_be_set(tmp_path: Path) -> None:
    reject = rejected(tmp_path, rows_of(1, 1)[0], {"images/1.png": png(1, (30, 30))}, max_pixels=800)
    assert reject["reason"] == "giant_picture"
    assert "30x30" in reject["detail"]


def test_unusual_pictures_are_accepted_as_they_are_and_told(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [Image.new("RGB", (8, 6), (n * 80, 0, 0)) for n in range(3)]
    made = {
        "rotated": encoded(Image.new("RGB", (8, 6)), "JPEG", exif=exif),
        "animated": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "cmyk": encoded(Image.new("CMYK", (8, 6)), "JPEG"),
        "transparent": encoded(Image.new("RGBA", (8, 6)), "PNG"),
    }
    pictures = {f"images/{n}.png": data for n, data in enumerate(made.values())}
    report, _ = imported(tmp_path, folder_of(tmp_path / "in", rows_of(4), pictures))
    assert report.pictures == dict.fromkeys(made, 1)
    from ratchet.artifacts import ImageBank

    store, kept = FolderStore(tmp_path / "store"), {}
    for split in report.set.parts:
        bank = ImageBank(store, open_part(store, report.set, split).manifest.packs)
        kept.update({bank.bytes(sha): bank.image(sha) for sha in bank})
    assert set(kept) == set(made.values())
    assert kept[made["rotated"]].size == (6, 8)
    assert {image.mode for image in kept.values()} == {"RGB"}


def test_a_phones_picture_with_two_frames_is_a_jpeg(tmp_path: Path) -> None:
    data = encoded(Image.new("RGB", (8, 6)), "MPO", save_all=True, append_images=[Image.new("RGB", (8, 6), "red")])
    report, _ = imported(tmp_path, folder_of(tmp_path / "in", [GOOD], {"images/0.png": data}))
    store = FolderStore(tmp_path / "store")
    prompts = [p for split in report.set.parts for p in open_part(store, report.set, split).rows()]
    assert prompts[0].images[0].media_type == "image/jpeg"


def test_lines_that_are_no_rows_are_rejected_by_line_number(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", [GOOD])
    with (source / "rows.jsonl").open("ab") as file:
        file.write(b'{"id": "cut\n\n[1, 2]\n\xff\xfe{}\n' + b"[" * 5000 + b"\n" + json.dumps(rows_of(1, 1)[0]).encode())
    (source / "images/1.png").write_bytes(png(1))
    report, rejects = imported(tmp_path, source)
    assert [(r["row"], r["reason"]) for r in rejects] == [
        (2, "malformed_json"),
        (4, "wrong_type"),
        (5, "malformed_json"),
        (6, "malformed_json"),
    ]
    assert report.accepted == 2


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ratchet.importing.formats.LINE_BYTES", 1000)
    source = folder_of(tmp_path / "in", [GOOD, {**rows_of(1, 1)[0], "question": "x" * 5000}, rows_of(1, 2)[0]])
    report, rejects = imported(tmp_path, source)
    assert [(r["row"], r["reason"]) for r in rejects] == [(2, "line_too_long")]
    assert report.accepted == 2


def test_broken_csv_lines_are_rejected_and_swallow_nothing(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", rows_of(3))
    (source / "rows.jsonl").unlink()
    lines = [
        b"id,image,question,answer",
        b"a,images/0.png,how many?,1",
        b"b,images/1.png,too,many,fields",
        b"c,images/1.png",
    ]
    lines += [b"d,images/1.png,caf\xe9?,1", b'e,images/1.png,"open" quote,1', b"f,images/2.png,and you?,2"]
    (source / "rows.csv").write_bytes(b"\n".join(lines) + b"\n")
    report, rejects = imported(tmp_path, source)
    assert [(r["row"], r["reason"]) for r in rejects] == [
        (3, "malformed_csv"),
        (4, "malformed_csv"),
        (5, "not_utf8"),
        (6, "malformed_csv"),
    ]
    assert report.accepted == 2


def test_raw_rows_are_cut_and_hold_no_bytes(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(
        [
            {"image": {"bytes": png(0), "path": None}, "question": "ok?", "answer": "yes"},
            {"image": {"bytes": b"\0" * 10_000, "path": None}, "question": "x" * 10_000, "answer": "yes"},
        ]
    )
    (tmp_path / "in").mkdir()
    pq.write_table(table, tmp_path / "in" / "rows.parquet")
    _, (reject,) = imported(tmp_path, tmp_path / "in")
    assert reject["reason"] == "unreadable_picture"
    assert "<10000 bytes>" in reject["raw"]
    assert len(reject["raw"]) <= 500


def test_a_cut_parquet_file_stops_the_import_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "rows.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(PromptSetError, match=r"rows\.parquet cannot be read"):
        imported(tmp_path, tmp_path / "in")


def test_a_picture_that_changes_between_the_passes_stops_the_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ratchet.importing import run

    source = folder_of(tmp_path / "in", rows_of(3))
    real = run.write_packs

    def changed(*arguments: Any) -> Any:
        (source / "images/1.png").write_bytes(png(77))
        return real(*arguments)

    monkeypatch.setattr(run, "write_packs", changed)
    with pytest.raises(PromptSetError, match=r"row 2 of rows\.jsonl changed"):
        imported(tmp_path, source)


def test_a_picture_that_may_not_be_read_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = FolderStore.open

    def guarded(self: FolderStore, key: str) -> Any:
        if key == "images/1.png":
            raise StoreError("cannot read images/1.png: Permission denied")
        return real(self, key)

    monkeypatch.setattr(FolderStore, "open", guarded)
    assert rejected(tmp_path, rows_of(1, 1)[0])["reason"] == "unreadable_picture"
