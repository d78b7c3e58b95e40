"""A benchmark's files become items in the store."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratchet.errors import RecipeError
from ratchet.evaluate.suites import FileProblem, suite
from ratchet.evaluate.suites.preparing import SHARD_ROWS, Origin, Prepared, opened, prefix_of, prepare
from ratchet.recipe import SuiteConfig
from ratchet.store import FolderStore
from tests.unit.evaluate.suites.benchmark import pope

POPE = suite("pope")


def prepared(store: FolderStore, source: str, parts: tuple[str, ...] = (), limit: int | None = None) -> Prepared:
    return prepare(store, Origin(POPE, SuiteConfig(name="pope", source=source, parts=parts, limit=limit)))


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


def test_items_have_prompt_reference_category_and_cluster_and_each_picture_is_kept_once(
    store: FolderStore, tmp_path: Path
) -> None:
    found = prepared(store, str(pope(tmp_path / "files")))
    items = list(found.artifact.rows())
    assert [item.key for item in items[:2]] == ["random-0", "random-1"]
    prompt = items[1].prompt
    assert prompt.question.startswith("Is there object 0 in the image?")
    assert (prompt.reference, prompt.skill, prompt.split_key) == ("no", "random", "picture 1")
    assert found.manifest.counts == {"pictures": 4}
    assert found.bank.image(prompt.images[0].sha256).size == (9, 9)


def test_a_prepared_suite_is_not_written_again_and_is_found_by_its_digest(store: FolderStore, tmp_path: Path) -> None:
    files = str(pope(tmp_path / "files"))
    first = prepared(store, files)
    manifest = store.stat(f"{prefix_of('pope', first.digest)}/manifest.json")
    assert prepared(store, files).digest == first.digest
    assert store.stat(f"{prefix_of('pope', first.digest)}/manifest.json") == manifest
    assert opened(store, POPE, first.digest).manifest.rows == 12


def test_the_digest_is_of_what_is_asked_and_shown_not_of_the_files(store: FolderStore, tmp_path: Path) -> None:
    files = pope(tmp_path / "files")
    other = tmp_path / "other"
    other.mkdir()
    rows = [json.loads(line) for line in (files / "test.jsonl").read_text().splitlines()]
    table = pa.Table.from_pylist([{**row, "image": {"bytes": (files / row["image"]).read_bytes()}} for row in rows])
    pq.write_table(table, other / "data.parquet")
    digest = prepared(store, str(files)).digest
    assert prepared(store, str(other)).digest == digest
    rows[3]["answer"] = "yes"
    (files / "test.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert prepared(store, str(files)).digest != digest


def test_preparing_that_was_stopped_ends_in_the_same_artifact(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ratchet.evaluate.suites.preparing.SHARD_ROWS", 5)
    files = str(pope(tmp_path / "files"))
    whole = prepared(FolderStore(str(tmp_path / "elsewhere")), files)
    # What a try left that was killed: a shard, and no manifest.
    place = f"{prefix_of('pope', whole.digest)}/shard-00000.parquet"
    store.put(place, b"cut")
    again = prepared(store, files)
    assert [shard.sha256 for shard in again.manifest.shards] == [shard.sha256 for shard in whole.manifest.shards]
    assert len(again.manifest.shards) == 3 < SHARD_ROWS


def test_a_key_that_comes_twice_is_refused(store: FolderStore, tmp_path: Path) -> None:
    files = pope(tmp_path / "files")
    lines = (files / "test.jsonl").read_text()
    (files / "test.jsonl").write_text(f"{lines}\n{lines.splitlines()[0]}")
    with pytest.raises(FileProblem, match="'random-0' comes twice"):
        prepared(store, str(files))


def test_no_question_at_all_is_refused_with_what_the_suite_needs(store: FolderStore, tmp_path: Path) -> None:
    files = pope(tmp_path / "files")
    with pytest.raises(FileProblem, match="there is no question of the parts popular; it needs the Parquet files"):
        prepared(store, str(files), ("popular",))
    with pytest.raises(RecipeError, match="pope has no part easy; there are: random, popular, adversarial"):
        prepared(store, str(files), ("easy",))


def test_a_picture_that_cannot_be_read_names_its_question(store: FolderStore, tmp_path: Path) -> None:
    files = pope(tmp_path / "files")
    (files / "2.png").write_bytes(b"no picture")
    with pytest.raises(FileProblem, match="question 'random-2': unreadable picture"):
        prepared(store, str(files))


def test_a_limit_takes_whole_clusters_and_the_same_each_time(store: FolderStore, tmp_path: Path) -> None:
    files = str(pope(tmp_path / "files"))
    some = list(prepared(store, files, limit=7).artifact.rows())
    assert len(some) == 6
    assert len({item.prompt.split_key for item in some}) == 2
    assert [item.key for item in prepared(store, files, limit=7).artifact.rows()] == [item.key for item in some]
    assert prepared(store, files, limit=100).digest == prepared(store, files).digest
