from pathlib import Path

import pyarrow as pa
import pytest

from ratchet import canonical
from ratchet.artifacts import GROUPS, PROMPTS, Artifact, ArtifactWriter, Header, ImageBank, read_manifest, write_pack
from ratchet.artifacts.images import decode, ref_of
from ratchet.artifacts.manifest import content_digest
from ratchet.errors import DigestMismatch, ManifestMissing, NotFound, PromptSetError, SchemaMismatch, ShardUnreadable
from ratchet.store import FolderStore, Store
from tests import rows


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(str(tmp_path))


def write(store: Store, prefix: str = "a", shards: int = 2) -> Artifact:
    writer = ArtifactWriter(store, prefix, GROUPS, Header(stage="generate", key="k"))
    for index in range(shards):
        writer.write(index, [rows.group(2 * index), rows.group(2 * index + 1)])
    writer.commit(counts={"prompts": 2 * shards}, results={"accuracy": 0.5})
    return Artifact(store, prefix, GROUPS)


def change(store: Store, key: str, **fields: object) -> None:
    body = canonical.loads(store.get(key))
    store.put(key, canonical.dumps({**body, **fields}))


def test_what_was_written_is_read_back_in_order(store: Store) -> None:
    artifact = write(store)
    assert list(artifact.rows()) == [rows.group(n) for n in range(4)]
    assert artifact.manifest.rows == 4


def test_an_artifact_without_manifest_does_not_exist(store: Store) -> None:
    writer = ArtifactWriter(store, "a", GROUPS, Header(stage="generate", key="k"))
    writer.write(0, [rows.group()])
    with pytest.raises(ManifestMissing, match="did not finish"):
        Artifact(store, "a", GROUPS)


def test_a_writer_started_again_keeps_finished_shards_and_gives_the_same_digest(store: Store) -> None:
    expected = write(store, "undisturbed").manifest.content_digest
    first = ArtifactWriter(store, "a", GROUPS, Header(stage="generate", key="k"))
    first.write(0, [rows.group(0), rows.group(1)])
    again = ArtifactWriter(store, "a", GROUPS, Header(stage="generate", key="k"))
    assert again.finished(0) is not None
    assert again.finished(1) is None
    again.write(1, [rows.group(2), rows.group(3)])
    assert again.commit(results={"accuracy": 0.5}).content_digest == expected


def test_a_shard_whose_note_was_not_written_is_not_finished(store: Store) -> None:
    writer = ArtifactWriter(store, "a", GROUPS, Header(stage="generate", key="k"))
    shard = writer.write(0, [rows.group()])
    store.delete(f"a/{shard.name}.json")
    assert ArtifactWriter(store, "a", GROUPS, Header(stage="generate", key="k")).finished(0) is None


def test_the_content_digest_ignores_clocks_and_counts_rows_and_results(store: Store) -> None:
    writer = ArtifactWriter(store, "b", GROUPS, Header(stage="generate", key="other", round=9))
    for index in range(2):
        writer.write(index, [rows.group(2 * index), rows.group(2 * index + 1)])
    same = writer.commit(results={"accuracy": 0.5}, seconds={"sample": 99.0})
    assert same.content_digest == write(store).manifest.content_digest
    third = ArtifactWriter(store, "c", GROUPS, Header(stage="generate", key="k"))
    third.write(0, [rows.group(n) for n in range(4)])
    assert third.commit(results={"accuracy": 0.6}).content_digest != same.content_digest


def test_a_second_writer_with_other_content_is_told_so(store: Store) -> None:
    write(store)
    other = ArtifactWriter(store, "a", GROUPS, Header(stage="generate", key="k"))
    other.write(0, [rows.group(7)])
    with pytest.raises(DigestMismatch, match="not deterministic"):
        other.commit()


def test_a_missing_shard_a_truncated_one_and_changed_bytes_are_three_different_errors(store: Store) -> None:
    artifact = write(store, shards=3)
    names = [f"a/{s.name}" for s in artifact.manifest.shards]
    store.delete(names[0])
    store.put(names[1], store.get(names[1])[:-9])
    data = bytearray(store.get(names[2]))
    data[-20] ^= 1
    store.put(names[2], bytes(data))
    for shard, error, words in zip(
        artifact.manifest.shards,
        (ShardUnreadable, ShardUnreadable, DigestMismatch),
        ("missing", "truncated", "SHA-256"),
        strict=True,
    ):
        with pytest.raises(error, match=words):
            artifact.table(shard)


def test_a_shard_that_is_no_parquet_is_named(store: Store) -> None:
    artifact = write(store, shards=1)
    shard = artifact.manifest.shards[0]
    junk = b"x" * shard.size
    store.put(f"a/{shard.name}", junk)
    with pytest.raises(ShardUnreadable, match="not a Parquet file"):
        artifact.table(shard.model_copy(update={"sha256": canonical.sha256(junk)}))


def test_another_schema_and_another_version_are_named_both(store: Store) -> None:
    write(store)
    with pytest.raises(SchemaMismatch, match="'groups'; 'prompts' is needed"):
        Artifact(store, "a", PROMPTS)
    change(store, "a/manifest.json", schema_version=99)
    with pytest.raises(SchemaMismatch, match=r"version 99; this ratchet reads version 3"):
        Artifact(store, "a", GROUPS)
    change(store, "a/manifest.json", manifest_version=7)
    with pytest.raises(SchemaMismatch, match=r"manifest version 7; this ratchet reads version 1"):
        Artifact(store, "a", GROUPS)


def test_a_manifest_changed_by_hand_or_cut_is_refused(store: Store) -> None:
    write(store)
    change(store, "a/manifest.json", results={"accuracy": 0.99})
    with pytest.raises(DigestMismatch, match="changed by hand"):
        read_manifest(store, "a")
    store.put("a/manifest.json", store.get("a/manifest.json")[:50])
    with pytest.raises(DigestMismatch, match="not JSON"):
        read_manifest(store, "a")


def test_pictures_come_back_by_hash_and_only_with_their_own_bytes(store: Store) -> None:
    pictures = {
        canonical.sha256(rows.png((n % 256, n // 256, 0))): rows.png((n % 256, n // 256, 0)) for n in range(600)
    }
    pack = write_pack(store, "p.parquet", pictures.items())
    bank = ImageBank(store, [pack], cached_bytes=1)
    assert pack.images == 600
    assert all(bank.bytes(sha) == data for sha, data in pictures.items())
    with pytest.raises(NotFound, match="none of the artifact's packs"):
        bank.bytes("0" * 64)


def test_a_missing_a_truncated_and_a_lying_pack_each_say_so(store: Store) -> None:
    data = rows.png()
    pack = write_pack(store, "p.parquet", [(canonical.sha256(data), data)])
    liar = write_pack(store, "l.parquet", [("0" * 64, data)])
    with pytest.raises(DigestMismatch, match="other bytes than its hash"):
        ImageBank(store, [liar]).bytes("0" * 64)
    store.put("p.parquet", store.get("p.parquet")[:-5])
    with pytest.raises(ShardUnreadable, match="truncated"):
        ImageBank(store, [pack]).bytes(canonical.sha256(data))
    store.delete("p.parquet")
    with pytest.raises(ShardUnreadable, match="missing"):
        ImageBank(store, [pack]).bytes(canonical.sha256(data))


def test_a_cut_picture_a_giant_one_and_a_text_are_refused() -> None:
    whole = rows.png(size=(64, 64))
    with pytest.raises(PromptSetError, match="unreadable picture"):
        decode(whole[: len(whole) // 2])
    with pytest.raises(PromptSetError, match=r"64x64 pixels; the limit is 100"):
        decode(whole, max_pixels=100)
    with pytest.raises(PromptSetError, match="unreadable picture"):
        ref_of(b"not a picture")


def test_the_pack_is_read_as_images_by_the_datasets_library(store: Store, tmp_path: Path) -> None:
    schema = (
        pa.parquet.read_schema(tmp_path / "p.parquet")
        if write_pack(store, "p.parquet", [("a" * 64, rows.png())])
        else None
    )
    assert schema is not None
    assert b'"_type": "Image"' in schema.metadata[b"huggingface"]


def test_results_are_told_apart_by_the_models_they_name_not_by_where_those_lie() -> None:
    def digest(**model: str) -> str:
        return content_digest("s", 1, (), {"model": model, "judged": [{"model": model}]})

    first = digest(name="loop", digest="d" * 64, uri="s3://one/models/loop/d")
    assert digest(name="loop", digest="d" * 64, uri="file:///two/models/loop/d") == first
    assert digest(name="loop", digest="e" * 64, uri="s3://one/models/loop/d") != first
    assert digest(name="loop", uri="s3://one/a") != digest(name="loop", uri="s3://one/b")


def test_an_artifact_whose_digest_covers_addresses_as_it_once_did_is_read(store: Store) -> None:
    results = {"model": {"name": "loop", "digest": "d" * 64, "uri": "s3://one/models/loop/d"}}
    made = ArtifactWriter(store, "a", GROUPS, Header(stage="train", key="k")).commit(results=results)
    old = canonical.digest(["groups", GROUPS.version, 0, canonical.add_hashes([]), results])
    assert old != made.content_digest
    change(store, "a/manifest.json", content_digest=old)
    assert read_manifest(store, "a").content_digest == old
    change(store, "a/manifest.json", results={**results, "accuracy": 1})
    with pytest.raises(DigestMismatch, match="changed by hand"):
        read_manifest(store, "a")
