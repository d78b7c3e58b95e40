from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ratchet.artifacts import GROUPS, ArtifactWriter, Header, Manifest, write_pack
from ratchet.errors import ArtifactError
from ratchet.export_files import schema_of
from ratchet.exporting import COLUMNS, MARK, export
from ratchet.records import Completion, Group, ImageRef, Message, Pair, Prompt, Sampling, Verdict
from ratchet.store import FolderStore
from ratchet.train import rows as training
from tests.unit.importing.samples import png

SAMPLING = Sampling(seed=0, temperature=1.0, max_new_tokens=8)


def picture(number: int) -> tuple[ImageRef, bytes]:
    import hashlib

    data = png(number)
    return ImageRef(sha256=hashlib.sha256(data).hexdigest(), media_type="image/png", width=8, height=6), data


def prompt_of(number: int, images: int = 1) -> Prompt:
    messages = [Message(role="system", content="be short"), Message(role="user", content=f"question {number}?")]
    refs = [picture(number + place)[0] for place in range(images)]
    licence = None if number == 2 else "CC0-1.0"
    return Prompt.make(
        messages=messages,
        images=refs,
        skill="count",
        source="s",
        reference=str(number),
        verifiers=("numeric",),
        licence=licence,
    )


def completion(index: int, text: str, passed: bool | None, kept: bool | None) -> Completion:
    score = None if passed is None else float(passed)
    verdict = Verdict(
        verifier="numeric", version="1", score=score, passed=passed, reason="match" if passed else "wrong"
    )
    return Completion(
        index=index,
        text=text,
        finish_reason="stop",
        sampling=SAMPLING,
        n_tokens=1,
        model="m",
        verdicts=(verdict,),
        kept=kept,
    )


def filtered() -> list[Group]:
    """Three groups as filter leaves them: for SFT and preference, dropped, and for SFT with two pictures."""
    three = (completion(0, "0", True, True), completion(1, "9", False, False), completion(2, "?", None, False))
    pairs = (
        Pair(chosen=0, rejected=1, margin=1.0, reason="scores"),
        Pair(chosen=0, rejected=1, kind="image", margin=1.0, reason="x"),
    )
    return [
        Group(prompt=prompt_of(0), completions=three, pairs=pairs, uses=("preference", "sft")),
        Group(prompt=prompt_of(1), completions=(completion(0, "1", False, False),), reason="too_hard"),
        Group(prompt=prompt_of(2, images=2), completions=(completion(0, "2", True, True),), uses=("sft",)),
    ]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def artifact(store: FolderStore, groups: list[Group], stage: str = "filter") -> str:
    """An artifact with a parent that owns half of the packs."""
    packs = [write_pack(store, f"packs/{n}.parquet", [(r.sha256, d) for r, d in [picture(n)]]) for n in range(4)]
    parent = ArtifactWriter(store, "generate", GROUPS, Header(stage="generate", key="g", loop="demo", round=3))
    parent.write(0, [])
    made: Manifest = parent.commit(packs=packs[:2])
    header = Header(stage=stage, key="f", loop="demo", round=3, parents={"generate": made.as_parent()})
    writer = ArtifactWriter(store, stage, GROUPS, header)
    writer.write(0, groups[:1])
    writer.write(1, groups[1:])
    return writer.commit(packs=packs[2:]).uri


def loaded(folder: Path) -> Any:
    from datasets import load_dataset

    files = [str(p) for p in sorted((folder / "data").glob("*.parquet"))]
    return load_dataset("parquet", data_files=files, split="train", cache_dir=str(folder.parent / "cache"))


def test_parquet_loads_as_trl_rows_with_decoded_pictures(tmp_path: Path, store: FolderStore) -> None:
    report = export(store, artifact(store, filtered()), "sft", tmp_path / "out")
    rows = loaded(tmp_path / "out")
    expected = {str(row["prompt"]): row for row in training.sft_rows(filtered())}
    assert len(rows) == report.rows == len(expected) == 2
    for row in rows:
        known = expected[str(row["prompt"])]
        assert row["completion"] == known["completion"]
        assert [image.size for image in row["images"]] == [(8, 6)] * len(known["images"])
    assert rows[1]["images"][1].getpixel((0, 0)) == (3, 0, 7)
    assert (rows[0]["reference"], rows[0]["licence"], rows[1]["licence"]) == ("0", "CC0-1.0", None)


def test_pairs_have_chosen_and_rejected_with_plain_text(tmp_path: Path, store: FolderStore) -> None:
    report = export(store, artifact(store, filtered()), "pairs", tmp_path / "out")
    (row,) = loaded(tmp_path / "out")
    assert row["chosen"] == [{"role": "assistant", "content": "0"}]
    assert row["rejected"] == [{"role": "assistant", "content": "9"}]
    assert row["prompt"][-1] == {"role": "user", "content": "question 0?"}
    assert report.skipped == {"too_hard": 1, "group without pairs": 1, "pair of pictures: TRL has no column for it": 1}


def test_groups_keep_all_completions_with_scores(tmp_path: Path, store: FolderStore) -> None:
    export(store, artifact(store, filtered()), "groups", tmp_path / "out")
    rows = loaded(tmp_path / "out")
    assert rows["completions"][:] == [["0", "9", "?"], ["1"], ["2"]]
    assert rows["scores"][0] == [1.0, 0.0, None]
    assert rows["passed"][0] == [True, False, None]
    assert rows["reason"][:] == [None, "too_hard", None]


def test_groups_of_generate_export_before_any_verdict(tmp_path: Path, store: FolderStore) -> None:
    plain = [
        Group(
            prompt=g.prompt,
            completions=tuple(c.model_copy(update={"verdicts": (), "kept": None}) for c in g.completions),
        )
        for g in filtered()
    ]
    report = export(store, artifact(store, plain, stage="verify"), "groups", tmp_path / "out")
    rows = loaded(tmp_path / "out")
    assert report.rows == 3
    assert rows["scores"][0] == rows["kept"][0] == [None, None, None]


def test_jsonl_names_each_picture_once_beside_it(tmp_path: Path, store: FolderStore) -> None:
    report = export(store, artifact(store, filtered()), "messages", tmp_path / "out", "jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out" / "train.jsonl").read_text().splitlines()]
    assert list(rows[0]) == list(COLUMNS["messages"])
    assert rows[1]["messages"][1]["content"] == f"{MARK}{MARK}question 2?"
    assert [turn["role"] for turn in rows[0]["messages"]] == ["system", "user", "assistant"]
    named = [path for row in rows for path in row["images"]]
    assert {(tmp_path / "out" / path).read_bytes() for path in named} == {png(n) for n in (0, 2, 3)}
    assert len(list((tmp_path / "out" / "images").iterdir())) == report.images == 3


def test_nothing_is_left_out_in_silence(tmp_path: Path, store: FolderStore) -> None:
    report = export(store, artifact(store, filtered()), "sft", tmp_path / "out")
    completions = sum(len(g.completions) for g in filtered())
    assert report.rows + sum(report.skipped.values()) == completions


def test_the_card_tells_lineage_licences_and_how_to_load(tmp_path: Path, store: FolderStore) -> None:
    uri = artifact(store, filtered())
    export(store, f"{uri}/manifest.json", "sft", tmp_path / "mine")
    card = (tmp_path / "mine" / "README.md").read_text()
    for manifest in ("filter", "generate"):
        assert f"| {manifest} | `" in card
    assert "| CC0-1.0 | 1 |" in card
    assert "| none named | 1 |" in card
    assert "data/train-00000.parquet" in card
    assert str(tmp_path) not in card


def test_a_folder_loads_by_its_card_alone(tmp_path: Path, store: FolderStore) -> None:
    from datasets import load_dataset

    export(store, artifact(store, filtered()), "sft", tmp_path / "out")
    assert load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache")).num_rows == 2


def test_large_exports_are_cut_into_files(tmp_path: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ratchet.export_files.FILE_BYTES", 10)
    monkeypatch.setattr("ratchet.export_files.ROWS_AT_ONCE", 1)
    report = export(store, artifact(store, filtered()), "groups", tmp_path / "out")
    assert len(report.files) == 3
    assert loaded(tmp_path / "out").num_rows == 3


@pytest.mark.parametrize("form", ["sft", "pairs", "messages"])
def test_an_artifact_without_such_rows_is_refused_and_leaves_no_folder(
    tmp_path: Path, store: FolderStore, form: Any
) -> None:
    bare = [Group(prompt=prompt_of(0), completions=(completion(0, "0", None, None),))]
    with pytest.raises(ArtifactError, match="or use form"):
        export(store, artifact(store, bare, stage="verify"), form, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


def test_a_folder_with_files_is_not_overwritten(tmp_path: Path, store: FolderStore) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(ArtifactError, match="not empty"):
        export(store, artifact(store, filtered()), "sft", tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize("form", COLUMNS)
def test_the_schema_is_what_the_hugging_face_library_writes_itself(form: str) -> None:
    from datasets import Features, Image, List, Value

    text, number = Value("string"), Value("float64")
    kinds = {
        "text": text,
        "number": number,
        "texts": List(text),
        "numbers": List(number),
        "flags": List(Value("bool")),
        "messages": List({"role": text, "content": text}),
        "images": List(Image()),
    }
    ours = schema_of(COLUMNS[form])
    theirs = Features({name: kinds[kind] for name, kind in COLUMNS[form].items()}).arrow_schema
    assert ours.equals(theirs)
    assert json.loads(ours.metadata[b"huggingface"]) == json.loads(theirs.metadata[b"huggingface"])


def test_exporting_twice_gives_the_same_rows(tmp_path: Path, store: FolderStore) -> None:
    uri = artifact(store, filtered())
    made = []
    for name in ("one", "two"):
        export(store, uri, "groups", tmp_path / name)
        made.append(pq.read_table(tmp_path / name / "data" / "train-00000.parquet"))
    assert made[0].equals(made[1])
    assert Counter(made[0]["skill"].to_pylist()) == {"count": 3}
