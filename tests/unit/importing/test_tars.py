"""WebDataset shards: samples, what is no sample, and archives that are cut, joined or hostile."""

from __future__ import annotations

import io
import json
import random
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet import canonical
from ratchet.errors import PromptSetError
from ratchet.importing import import_prompts
from ratchet.importing.patterns import expanded
from ratchet.store import FolderStore
from tests.unit.importing.samples import by_question, ids_in, imported, noise, options, png, prompts_in, tar_file


def as_json(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_a_sample_is_its_pictures_in_order_of_name_with_licence_and_source(tmp_path: Path, store: FolderStore) -> None:
    members = [
        ("./a/000.right.png", png(2)),
        ("./a/000.left.png", png(1)),
        ("./a/000.json", as_json(license="CC0-1.0", source="web", question="?", writer="w1", skill="x")),
        ("./a/000.cls", b"3"),
        ("./a/001.PNG", png(3)),
        ("./a/001.npy", b"\x93NUMPY"),
    ]
    report = import_prompts(str(tar_file(tmp_path / "p.tar", members)), store, options(pictures=True))
    first, second = sorted(prompts_in(store, report)["pool"], key=lambda p: -len(p.images))
    assert (len(first.images), first.licence, first.source, first.skill) == (2, "CC0-1.0", "web", "picture")
    names = {r.sha256 for r in first.images}
    assert first.images[0].sha256 == canonical.sha256(png(1))
    assert names == {canonical.sha256(png(1)), canonical.sha256(png(2))}
    assert (len(second.images), second.licence) == (1, None)
    assert report.unused_columns == ("cls", "npy", "question", "skill", "writer")
    assert any("1 prompts show several pictures" in warning for warning in report.warnings)


def test_samples_that_share_a_key_column_stay_together(tmp_path: Path, store: FolderStore) -> None:
    members = [(f"{n:03}.{k}", v) for n in range(20) for k, v in (("png", png(n)), ("json", as_json(writer=n % 4)))]
    chosen = options(pictures=True, split_by="writer", shares={"pool": 0.5, "holdout": 0.5})
    report = import_prompts(str(tar_file(tmp_path / "p.tar", members)), store, chosen)
    found = [{p.split_key for p in prompts} for prompts in prompts_in(store, report).values()]
    assert set().union(*found) == {"0", "1", "2", "3"}
    assert sum(map(len, found)) == 4


def test_labelled_samples_become_prompts_with_questions(tmp_path: Path, store: FolderStore) -> None:
    members = [("0.jpg.png", png(0)), ("0.json", as_json(question="how many?", answer=4, image="0.jpg"))]
    members += [("1.png", png(1)), ("1.json", as_json(question="which digit?")), ("1.cls", b"7")]
    source = tar_file(tmp_path / "p.tar", members)
    report = import_prompts(str(source), store, options())
    ((_, prompt),) = by_question(store, report).values()
    assert (prompt.question, prompt.reference, prompt.verifiers) == ("how many?", "4", ("numeric",))
    assert report.rejected == {"no_reference": 1}
    by_class = import_prompts(str(source), store, options(name="cls", columns={"reference": "cls"}))
    assert by_question(store, by_class)["which digit?"][1].reference == "7"


def test_a_pattern_and_a_compressed_archive_are_sources(tmp_path: Path, store: FolderStore) -> None:
    for n in range(12):
        tar_file(tmp_path / f"pool-{n:03}.tar", [("0.png", png(n))])
    report = import_prompts(f"{tmp_path}/pool-{{002..010}}.tar", store, options(pictures=True))
    assert report.accepted == 9
    packed = tar_file(tmp_path / "gz" / "p.tar.gz", [("0.png", png(1)), ("1.png", png(2))], "w:gz")
    assert import_prompts(str(packed), store, options(pictures=True)).accepted == 2
    with pytest.raises(PromptSetError, match=r"8 of the 10 files .* \(first: pool-012\.tar\)"):
        import_prompts(f"{tmp_path}/pool-{{010..019}}.tar", store, options(pictures=True))


def test_patterns_name_their_files() -> None:
    assert expanded("p-{08..10}.tar") == ["p-08.tar", "p-09.tar", "p-10.tar"]
    assert expanded("{a,b}/{9..10}.tar") == ["a/9.tar", "a/10.tar", "b/9.tar", "b/10.tar"]
    for bad in ("{a}.tar", "{5..1}.tar", "{0..999999999}.tar", "{1..1000}/{1..1000}.tar"):
        with pytest.raises(PromptSetError, match=r"pattern|upwards|more than"):
            expanded(bad)


def test_tables_that_img2dataset_writes_beside_its_shards_are_left_out(tmp_path: Path, store: FolderStore) -> None:
    tar_file(tmp_path / "in/0.tar", [("0.png", png(1))])
    (tmp_path / "in/0.parquet").write_bytes(b"not read")
    assert import_prompts(str(tmp_path / "in"), store, options(pictures=True)).accepted == 1


def test_an_archive_beside_labelled_rows_is_no_table(tmp_path: Path) -> None:
    from tests.unit.importing.samples import folder_of, rows_of

    source = folder_of(tmp_path / "in", rows_of(3))
    tar_file(source / "images.tar", [("0.png", png(1))])
    assert imported(tmp_path, source)[0].accepted == 3


BAD = {
    "no_picture": [("b.json", b"{}"), ("b.txt", b"x")],
    "malformed_json": [("b.png", png(1)), ("b.json", b"{")],
    "not_utf8": [("b.png", png(1)), ("b.txt", b"\xff")],
    "too_many_pictures": [(f"b.{n}.png", png(n)) for n in range(40)],
    "unreadable_picture": [("b.png", png(1, (99, 99))[:-40])],
    "wrong_type": [("b.png", png(1)), ("b.json", as_json(licence=["a"]))],
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_sample_is_rejected_and_the_next_one_is_not(tmp_path: Path, reason: str) -> None:
    members = [("a.png", png(100)), *BAD[reason], ("c.png", png(101))]
    report, (reject,) = imported(tmp_path, tar_file(tmp_path / "in.tar", members), pictures=True)
    assert (report.rows_read, report.accepted) == (3, 2)
    assert (reject["file"], reject["row"], reject["id"], reject["reason"]) == ("in.tar", 2, "b", reason)


def test_links_are_rejected_folders_passed_over_and_hidden_files_told(tmp_path: Path) -> None:
    path = tar_file(tmp_path / "in.tar", [("photos/._a.png", b"x"), ("photos/a.png", png(1)), ("__MACOSX/a.png", b"x")])
    with tarfile.open(path, "a") as tar:
        for name, kind in (
            ("photos/b", tarfile.DIRTYPE),
            ("photos/c.png", tarfile.SYMTYPE),
            ("d.png", tarfile.FIFOTYPE),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
    report, rejects = imported(tmp_path, path, pictures=True)
    assert (report.rows_read, report.accepted) == (3, 1)
    assert [(r["id"], r["reason"]) for r in rejects] == [("photos/c", "link_in_archive"), ("d", "link_in_archive")]
    assert any("hidden files (2)" in warning for warning in report.warnings)


def test_an_empty_archive_is_a_reject_and_alone_a_refusal(tmp_path: Path) -> None:
    tar_file(tmp_path / "in/0.tar", [])
    with pytest.raises(PromptSetError, match="empty_archive"):
        imported(tmp_path, tmp_path / "in", pictures=True)
    tar_file(tmp_path / "in/1.tar", [("a.png", png(1))])
    report, (reject,) = imported(tmp_path, tmp_path / "in", pictures=True)
    assert (report.rows_read, report.accepted, reject["reason"], reject["file"]) == (2, 1, "empty_archive", "0.tar")


def archive() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return tar_file(Path(folder, "t.tar"), [(f"{n}.png", noise(n, (9, 9))) for n in range(4)]).read_bytes()


@pytest.mark.parametrize("place", [0, 100, 512, 700, 1024, 1536, 2048, 4096])
def test_an_archive_that_was_cut_anywhere_stops_the_import(tmp_path: Path, place: int) -> None:
    (tmp_path / "in.tar").write_bytes(archive()[:place])
    with pytest.raises(PromptSetError, match=r"in\.tar cannot be read as a tar archive after sample \d: "):
        imported(tmp_path, tmp_path / "in.tar", pictures=True)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("kind", ["joined", "garbage", "text", "giant header", "cut gzip"])
def test_an_archive_that_is_no_single_whole_one_stops_the_import(tmp_path: Path, kind: str) -> None:
    import gzip

    whole = archive()
    giant = tarfile.TarInfo("x")
    giant.type, giant.size = tarfile.XHDTYPE, 1 << 40
    data = {
        "joined": whole + whole,
        "garbage": whole[:1024] + b"\x01" * 512 + whole[1536:],
        "text": b"not an archive at all" * 99,
        "giant header": giant.tobuf(tarfile.GNU_FORMAT),
        "cut gzip": gzip.compress(whole)[:-300],
    }[kind]
    (tmp_path / "in.tar").write_bytes(data)
    with pytest.raises(PromptSetError, match=r"in\.tar cannot be read"):
        imported(tmp_path, tmp_path / "in.tar", pictures=True)


def test_a_member_larger_than_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ratchet.importing.tars.FILE_BYTES", 3000)
    source = tar_file(tmp_path / "in.tar", [("a.png", png(1)), ("b.png", noise(1)), ("c.png", png(2))])
    report, (reject,) = imported(tmp_path, source, pictures=True)
    assert (report.accepted, reject["reason"], reject["id"]) == (2, "giant_picture", "b")


@settings(max_examples=12, deadline=None)
@given(shards=st.lists(st.integers(0, 3), min_size=12, max_size=12), seed=st.integers(0, 99))
def test_any_split_of_the_pictures_into_shards_gives_the_same_prompts(shards: list[int], seed: int) -> None:
    order = list(range(12))
    random.Random(seed).shuffle(order)
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder, "store"))
        for shard in sorted(set(shards)):
            chosen = [n for n in order if shards[n] == shard]
            tar_file(Path(folder, "in", f"{shard}.tar"), [(f"{n:06}.png", png(n)) for n in chosen])
        tar_file(Path(folder, "all.tar"), [(f"{n:06}.png", png(n)) for n in range(12)])
        found = [import_prompts(f"{folder}/{name}", store, options(pictures=True)) for name in ("in", "all.tar")]
        assert ids_in(store, found[0]) == ids_in(store, found[1])
        assert found[0].set.digest == found[1].set.digest


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 8000), noise_=st.binary(min_size=1, max_size=40))
def test_whatever_is_wrong_in_an_archive_its_samples_are_counted_or_it_is_named(place: int, noise_: bytes) -> None:
    from ratchet.importing.tables import Table
    from ratchet.importing.tars import tar_rows

    whole = archive()
    data = whole[:place] + noise_ + whole[place + len(noise_) :]
    rows = []
    with suppress(PromptSetError):
        rows.append(None)
        rows = list(tar_rows(Table("t.tar", "t.tar", "tar"), io.BytesIO(data)))
    assert rows
