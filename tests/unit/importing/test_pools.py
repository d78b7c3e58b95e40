"""Pools: pictures without questions, from every kind of source."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratchet.artifacts import ImageBank
from ratchet.errors import PromptSetError
from ratchet.importing import ImportOptions, import_prompts
from ratchet.importing.options import ASK
from ratchet.promptset import open_part
from ratchet.store import FolderStore, open_store
from tests.unit.importing.samples import (
    encoded,
    ids_in,
    imported,
    noise,
    options,
    picture_folder,
    png,
    png_bomb,
    png_claiming,
    prompts_in,
    rows_of,
    tar_file,
)
from tests.unit.importing.samples import parquet_file as labelled_parquet


def pool(**changes: Any) -> ImportOptions:
    return options(pictures=True, **changes)


def nested(count: int) -> dict[str, bytes]:
    return {f"{n % 3}/deep/er/{n}.png": png(n) for n in range(count)}


def parquet_file(path: Path, pictures: list[bytes], in_struct: bool = True) -> Path:
    rows = [{"image": {"bytes": p, "path": None} if in_struct else p, "question": "?"} for p in pictures]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=16)
    return path


def saved(path: Path, pictures: list[bytes]) -> Path:
    from datasets import Dataset, Features, Image

    rows = {"image": [{"bytes": p, "path": None} for p in pictures]}
    Dataset.from_dict(rows, features=Features({"image": Image()})).save_to_disk(path, num_shards=2)
    return path


def upload(folder: Path, root: str, prefix: str) -> str:
    for path in folder.rglob("*"):
        if path.is_file():
            open_store(root).put_file(f"{prefix}/{path.relative_to(folder).as_posix()}", path)
    return f"{root}/{prefix}"


def test_every_picture_of_a_folder_becomes_a_prompt_of_the_pool(tmp_path: Path, store: FolderStore) -> None:
    report = import_prompts(str(picture_folder(tmp_path / "in", nested(12))), store, pool())
    found = prompts_in(store, report)
    assert report.rows_read == report.accepted == len(found["pool"]) == 12
    assert report.splits == {"pool": 12, "validation": 0, "holdout": 0, "report": 0}
    prompt = found["pool"][0]
    assert (prompt.question, prompt.reference, prompt.verifiers, prompt.skill) == (ASK, None, (), "picture")
    bank = ImageBank(store, open_part(store, report.set, "pool").manifest.packs)
    assert {bank.bytes(p.images[0].sha256) for p in found["pool"]} == {png(n) for n in range(12)}


def test_the_same_pictures_are_the_same_prompts_wherever_they_lie(tmp_path: Path, s3_root: str) -> None:
    pictures = nested(20)
    packed = list(pictures.values())
    places = {
        "folder": picture_folder(tmp_path / "folder", pictures),
        "parquet": parquet_file(tmp_path / "parquet/data/train-0.parquet", packed[:9]).parent.parent,
        "tars": tar_file(tmp_path / "tars/0.tar", list(pictures.items())[:7]).parent,
        "saved": saved(tmp_path / "saved", packed),
    }
    parquet_file(tmp_path / "parquet/data/train-1.parquet", packed[9:])
    tar_file(tmp_path / "tars/more/1.tar", list(pictures.items())[7:])
    sources = [str(place) for place in places.values()]
    sources += [upload(place, s3_root, f"in/{name}") for name, place in places.items()]
    sources.append(f"{s3_root}/in/tars/{{0,more/1}}.tar")
    store = open_store(s3_root).sub("work")
    found = [ids_in(store, import_prompts(source, store, pool())) for source in sources]
    assert len(found[0]) == 20
    assert all(ids == found[0] for ids in found)


def test_a_folder_and_the_same_in_s3_make_one_set_rejects_included(tmp_path: Path, s3_root: str) -> None:
    pictures = {**nested(6), "a b.png": b"", "a/copy.png": png(1), "a-copy.png": png(1)}
    folder = picture_folder(tmp_path / "in", pictures)
    local = import_prompts(str(folder), FolderStore(tmp_path / "store"), pool())
    remote = import_prompts(upload(folder, s3_root, "in"), open_store(s3_root).sub("work"), pool())
    assert local.rejected == {"duplicate_prompt": 2, "empty_picture": 1}
    assert remote.set.digest == local.set.digest


def test_one_parquet_file_with_plain_bytes_and_one_picture_file_are_sources(tmp_path: Path, store: FolderStore) -> None:
    plain = parquet_file(tmp_path / "plain.parquet", [png(1), png(2)], in_struct=False)
    assert import_prompts(str(plain), store, pool()).accepted == 2
    picture_folder(tmp_path, {"one.png": png(1), "other.png": png(3)})
    assert import_prompts(str(tmp_path / "one.png"), store, pool(name="one")).accepted == 1


def test_questions_and_answers_are_not_read_and_are_told(tmp_path: Path, store: FolderStore) -> None:
    table = labelled_parquet(tmp_path / "in/rows.parquet", rows_of(5))
    report = import_prompts(str(table), store, pool(ask="What is odd here?", skill="oddness"))
    prompts = prompts_in(store, report)["pool"]
    assert {(p.question, p.reference, p.skill) for p in prompts} == {("What is odd here?", None, "oddness")}
    assert report.unused_columns == ("answer", "question")
    assert report.licences == {"CC0-1.0": 5}


def test_equal_ids_of_different_pictures_are_no_duplicates(tmp_path: Path, store: FolderStore) -> None:
    rows = [{"id": "7", "image": png(n)} for n in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    assert import_prompts(str(tmp_path / "rows.parquet"), store, pool()).accepted == 3


def test_other_shares_and_the_datas_own_splits_can_be_asked_for(tmp_path: Path, store: FolderStore) -> None:
    source = picture_folder(tmp_path / "in", {f"{'test' if n < 9 else 'train'}/{n}.png": png(n) for n in range(40)})
    split = import_prompts(str(source), store, pool(shares={"pool": 0.5, "holdout": 0.5})).splits
    assert min(split["pool"], split["holdout"]) > 8
    own = import_prompts(str(source), store, pool(name="own", split_column="split")).splits
    assert (own["pool"], own["holdout"] + own["report"]) == (31, 9)


def test_what_is_asked_is_part_of_the_set_and_importing_again_reads_nothing(
    tmp_path: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = str(picture_folder(tmp_path / "in", {**nested(5), "notes.txt": b"x"}))
    first = import_prompts(source, store, pool())
    assert import_prompts(source, store, pool(ask="Else?")).set.digest != first.set.digest
    elsewhere = import_prompts(str(picture_folder(tmp_path / "other", nested(5))), store, pool())
    assert elsewhere.reused
    monkeypatch.setattr("ratchet.importing.survey.read_rows", lambda source: pytest.fail("rows were read again"))
    again = import_prompts(source, store, pool())
    assert again == first.model_copy(update={"reused": True})


BAD = {
    "empty.png": (b"", "empty_picture"),
    "text.jpg": (b"not a picture", "unreadable_picture"),
    "cut.png": (png(1, (200, 200))[:-60], "unreadable_picture"),
    "bomb.png": (png_bomb(12_000, 12_000), "giant_picture"),
    "header.png": (png_claiming(60_000, 60_000), "giant_picture"),
    "zz-copy.png": (png(0), "duplicate_prompt"),
}


@pytest.mark.parametrize("form", ["folder", "tar", "parquet"])
def test_bad_pictures_are_rejected_with_a_reason_each(tmp_path: Path, form: str) -> None:
    files = {"a.png": png(0), **{name: data for name, (data, _) in BAD.items()}}
    source = {
        "folder": lambda: picture_folder(tmp_path / "in", files),
        "tar": lambda: tar_file(tmp_path / "in.tar", files.items()),
        "parquet": lambda: parquet_file(tmp_path / "in.parquet", list(files.values())),
    }[form]()
    report, rejects = imported(tmp_path, source, pictures=True)
    assert (report.rows_read, report.accepted) == (1 + len(BAD), 1)
    assert sorted(r["reason"] for r in rejects) == sorted(reason for _, reason in BAD.values())
    if form == "folder":
        assert {r["file"]: r["reason"] for r in rejects} == {name: reason for name, (_, reason) in BAD.items()}


def test_odd_names_links_and_pipes_of_a_folder_are_rejected_or_told(tmp_path: Path) -> None:
    latin = os.fsdecode(b"caf\xe9.png")
    source = picture_folder(
        tmp_path / "in", {"[1] a.png": png(1), "data:b.png": png(2), "UP.PNG": png(3), latin: png(4)}
    )
    (tmp_path / "out.png").write_bytes(png(5))
    for link, target in (("loop.png", "loop.png"), ("gone.png", "none.png"), ("out.png", "../out.png"), ("in", ".")):
        (source / link).symlink_to(target)
    os.mkfifo(source / "pipe.png")
    picture_folder(
        source, {"__MACOSX/a.png": b"x", ".cache/a.png": b"x", "sub/._a.png": b"x", "a.txt": b"x", "b": b"x"}
    )
    report, rejects = imported(tmp_path, source, pictures=True)
    assert report.accepted == 3
    assert {r["file"]: r["reason"] for r in rejects} == {
        "caf?.png": "path_outside",
        "loop.png": "unreadable_picture",
        "gone.png": "missing_picture",
        "out.png": "path_outside",
    }
    (told,) = (w for w in report.warnings if w.startswith("left out"))
    for part in (
        "hidden files (3)",
        "files *.txt (1)",
        "files without an ending (1)",
        "not followed (1)",
        "no files (1)",
    ):
        assert part in told


def test_a_folder_that_may_not_be_read_stops_the_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = picture_folder(tmp_path / "in", nested(4))
    real = os.scandir

    def guarded(path: Any) -> Any:
        if str(path).rstrip("/").endswith("1/deep"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("ratchet.importing.listing.os.scandir", guarded)
    with pytest.raises(PromptSetError, match=r"1/deep of the source cannot be read: Permission denied"):
        imported(tmp_path, source, pictures=True)


def test_a_very_deep_folder_is_read(tmp_path: Path) -> None:
    deep = tmp_path / "in"
    for _ in range(450):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "a.png").write_bytes(png(1))
    assert imported(tmp_path, tmp_path / "in", pictures=True)[0].accepted == 1


def test_packed_and_loose_pictures_together_are_refused(tmp_path: Path) -> None:
    source = picture_folder(tmp_path / "in", {"logo.png": png(1)})
    parquet_file(source / "data/train.parquet", [png(2)])
    with pytest.raises(PromptSetError, match=r"data/train\.parquet.*logo\.png"):
        imported(tmp_path, source, pictures=True)


def test_pictures_win_over_rows_beside_them_and_that_is_told(tmp_path: Path) -> None:
    source = picture_folder(tmp_path / "in", {**nested(3), "rows.jsonl": b"{}\n"})
    report, _ = imported(tmp_path, source, pictures=True)
    assert report.accepted == 3
    assert any("files *.jsonl (1)" in warning for warning in report.warnings)


def test_the_digest_of_an_import_with_questions_does_not_know_of_pictures(tmp_path: Path, store: FolderStore) -> None:
    from ratchet.importing.run import _identity

    assert not {"pictures", "ask"} & set(_identity(options()))
    assert {"pictures", "ask"} <= set(_identity(pool()))


MEASURE = """
import sys, tracemalloc
from ratchet import promptset
from ratchet.importing import tars
from ratchet.store import FolderStore
from ratchet.importing import ImportOptions, import_prompts
promptset.SHARD_ROWS, tars.READ_AHEAD = 50, 1 << 16  # what is held at most, whatever the number of pictures
for number, name in enumerate(sys.argv[2:]):
    options = ImportOptions(name=f"n{number}", pictures=True, pack_bytes=50_000)
    tracemalloc.start()
    report = import_prompts(name, FolderStore(sys.argv[1]), options)
    print(report.accepted, tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["folder", "tar"])
def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path: Path, form: str) -> None:
    """In a process of its own, the large source twice: once Python's table of names may grow, which pathlib fills."""
    sources = []
    for count in (10, 50, 500):  # the first meets what is imported and cached but once
        pictures = {f"{n % 7}/{n}.png": noise(n) for n in range(count)}
        if form == "folder":
            sources.append(picture_folder(tmp_path / f"n{count}", pictures))
        else:
            sources.append(tar_file(tmp_path / f"n{count}.tar", pictures.items()))
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "store"), *map(str, [*sources, sources[-1]])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    _, few, *many = (tuple(map(int, line.split())) for line in done.stdout.splitlines())
    assert [accepted for accepted, _ in (few, *many)] == [50, 500, 500]
    assert min(peak for _, peak in many) < 2 * few[1]


def test_a_picture_without_colours_of_its_own_mode_is_kept_as_it_is(tmp_path: Path, store: FolderStore) -> None:
    from PIL import Image

    source = picture_folder(tmp_path / "in", {"a.jpg": encoded(Image.new("CMYK", (8, 6)), "JPEG")})
    assert import_prompts(str(source), store, pool()).pictures == {"cmyk": 1}
