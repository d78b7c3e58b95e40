from __future__ import annotations

import json
from pathlib import Path

import pytest

from ratchet.artifacts import Artifact, ImageBank
from ratchet.errors import PromptSetError
from ratchet.importing import import_prompts
from ratchet.promptset import FINGERPRINTS, SPLIT_NAMES, open_part, open_set
from ratchet.store import FolderStore, open_store
from tests.unit.importing.samples import (
    by_question,
    csv_file,
    folder_of,
    options,
    parquet_file,
    png,
    prompts_in,
    rows_of,
)


def test_every_row_becomes_a_prompt_in_one_split_with_its_picture_in_that_splits_packs(
    tmp_path: Path, store: FolderStore
) -> None:
    report = import_prompts(str(folder_of(tmp_path / "in", rows_of(60))), store, options())
    found = prompts_in(store, report)
    assert sorted(p.question for ps in found.values() for p in ps) == sorted(r["question"] for r in rows_of(60))
    assert report.rows_read == report.accepted == 60
    assert report.splits == {split: len(prompts) for split, prompts in found.items()} == report.set.rows
    for split, prompts in found.items():
        bank = ImageBank(store, open_part(store, report.set, split).manifest.packs)
        assert sorted(bank) == sorted(p.images[0].sha256 for p in prompts)
        assert all(bank.image(p.images[0].sha256).size == (8, 6) for p in prompts)


def test_prompts_keep_reference_verifier_licence_and_source(tmp_path: Path, store: FolderStore) -> None:
    row = {**rows_of(1)[0], "skill": "count", "difficulty": "0.5", "source": "dots-v2"}
    report = import_prompts(str(folder_of(tmp_path / "in", [row])), store, options())
    ((_, prompt),) = by_question(store, report).values()
    assert (prompt.reference, prompt.verifiers, prompt.licence, prompt.source) == (
        "0",
        ("numeric",),
        "CC0-1.0",
        "dots-v2",
    )
    assert (prompt.skill, prompt.difficulty) == ("count", 0.5)


def test_jsonl_csv_parquet_and_saved_datasets_make_the_same_prompts(tmp_path: Path, store: FolderStore) -> None:
    from datasets import Dataset, DatasetDict

    rows = rows_of(20)
    jsonl = folder_of(tmp_path / "jsonl", rows)
    table = csv_file(folder_of(tmp_path / "csv", rows) / "rows.csv", rows)
    parquet = parquet_file(tmp_path / "parquet" / "data" / "train-00000-of-00001.parquet", rows).parent.parent
    Dataset.from_parquet(str(parquet / "data" / "train-00000-of-00001.parquet")).save_to_disk(tmp_path / "saved")
    DatasetDict({"train": Dataset.load_from_disk(str(tmp_path / "saved"))}).save_to_disk(tmp_path / "dict")
    digests = []
    for place in (jsonl, table, parquet, tmp_path / "saved", tmp_path / "dict"):
        digests.append(import_prompts(str(place), store, options()).set.digest)
    assert len(set(digests)) == 1


def test_a_source_in_s3_is_read_where_it_lies(tmp_path: Path, s3_root: str) -> None:
    folder = folder_of(tmp_path / "in", rows_of(12))
    remote = open_store(s3_root)
    for path in folder.rglob("*"):
        if path.is_file():
            remote.put_file(f"source/{path.relative_to(folder).as_posix()}", path)
    store = remote.sub("work")
    report = import_prompts(f"{s3_root}/source", store, options())
    assert report.accepted == 12
    assert import_prompts(f"{s3_root}/source/rows.jsonl", store, options()).set.digest == report.set.digest
    local = import_prompts(str(folder), FolderStore(tmp_path / "local"), options())
    assert local.set.digest == report.set.digest


def test_importing_the_same_again_returns_the_set_without_reading_a_row(
    tmp_path: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = str(folder_of(tmp_path / "in", [*rows_of(9), {"image": "images/0.png"}]))
    first = import_prompts(source, store, options())
    monkeypatch.setattr("ratchet.importing.survey.read_rows", lambda source: pytest.fail("rows were read again"))
    again = import_prompts(source, store, options(rejects=tmp_path / "rejects.jsonl"))
    assert again.reused
    assert again.model_copy(update={"reused": False}) == first
    assert json.loads((tmp_path / "rejects.jsonl").read_text())["reason"] == "no_question"


def test_a_changed_picture_makes_another_set(tmp_path: Path, store: FolderStore) -> None:
    source = folder_of(tmp_path / "in", rows_of(5))
    first = import_prompts(str(source), store, options())
    (source / "images/3.png").write_bytes(png(999))
    assert import_prompts(str(source), store, options()).set.digest != first.set.digest


def test_the_same_rows_elsewhere_are_the_same_set(tmp_path: Path, store: FolderStore) -> None:
    first = import_prompts(str(folder_of(tmp_path / "one", rows_of(5))), store, options())
    other = import_prompts(str(folder_of(tmp_path / "two", rows_of(5))), store, options())
    assert other.reused
    assert other.set == first.set


@pytest.mark.parametrize("killed_at", [2, 5, 8, 13])
def test_an_import_that_was_killed_finishes_when_started_again(
    tmp_path: Path, killed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = str(folder_of(tmp_path / "in", rows_of(40)))
    whole = import_prompts(source, FolderStore(tmp_path / "whole"), options())
    store = FolderStore(tmp_path / "store")
    puts = iter(range(killed_at))
    real = FolderStore.put

    def put(self: FolderStore, key: str, data: bytes) -> object:
        if next(puts, None) is None:
            raise KeyboardInterrupt
        return real(self, key, data)

    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "put", put)
        with pytest.raises(KeyboardInterrupt):
            import_prompts(source, store, options())
    with pytest.raises(PromptSetError):
        open_set(store, "dots")
    report = import_prompts(source, store, options())
    assert report.set.digest == whole.set.digest
    assert prompts_in(store, report) == prompts_in(FolderStore(tmp_path / "whole"), whole)


def test_packs_finished_before_a_kill_are_not_read_again(
    tmp_path: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ratchet.importing import packs

    source = str(folder_of(tmp_path / "in", rows_of(40)))
    with monkeypatch.context() as patch:
        patch.setattr(
            "ratchet.importing.run.PromptSetWriter.write_part", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            import_prompts(source, store, options())
    monkeypatch.setattr(packs, "fetch", lambda *_: pytest.fail("a picture was fetched again"))
    assert import_prompts(source, store, options()).accepted == 40


def test_packs_stay_small_and_hold_each_picture_once(tmp_path: Path, store: FolderStore) -> None:
    rows = [
        {**row, "id": None, "question": f"{q} {row['question']}"} for row in rows_of(40) for q in ("exactly", "about")
    ]
    report = import_prompts(str(folder_of(tmp_path / "in", rows)), store, options(pack_bytes=2000))
    packs = [pack for split in SPLIT_NAMES for pack in open_part(store, report.set, split).manifest.packs]
    assert report.images == sum(pack.images for pack in packs) == 40
    assert len(packs) > 4
    assert not report.rejected


def test_holdout_and_report_have_fingerprints_and_no_other_split_has(tmp_path: Path, store: FolderStore) -> None:
    report = import_prompts(str(folder_of(tmp_path / "in", rows_of(60))), store, options())
    found = prompts_in(store, report)
    assert report.set.fingerprints is not None
    known = {f.prompt_id for f in Artifact.open(store, report.set.fingerprints, FINGERPRINTS).rows()}
    assert known == {p.id for split in ("holdout", "report") for p in found[split]}


def test_columns_can_be_named_and_usual_names_are_found_and_told(tmp_path: Path, store: FolderStore) -> None:
    rows = [{"photo": "images/1.png", "query": "what?", "label": "a dog", "weather": "fine"}]
    source = folder_of(tmp_path / "in", rows, {"images/1.png": png(1)})
    report = import_prompts(str(source), store, options(columns={"images": "photo"}))
    assert report.columns == {"images": "photo", "question": "query", "reference": "label"}
    assert report.unused_columns == ("weather",)


def test_verifiers_follow_the_references_shape_and_are_told(tmp_path: Path, store: FolderStore) -> None:
    answers = ["12", "-3.5", "Yes", "red, green circle", "a small dog", "1,200"]
    rows = [{**row, "answer": answer} for row, answer in zip(rows_of(6), answers, strict=True)]
    rows.append({**rows_of(1, 6)[0], "answer": "B", "choices": ["cat", "dog"]})
    rows.append({**rows_of(1, 7)[0], "answer": "Paris", "verifiers": "exact"})
    report = import_prompts(str(folder_of(tmp_path / "in", rows)), store, options())
    assert report.guessed_verifiers == {"numeric": 3, "yes_no": 1, "set_f1": 1, "exact": 1, "choice": 1}
    assert report.named_verifiers == {"exact": 1}


@pytest.mark.parametrize("answer", ["B", "b", "dog", 1])
def test_choices_are_appended_and_the_answer_becomes_a_letter(
    tmp_path: Path, store: FolderStore, answer: object
) -> None:
    row = {**rows_of(1)[0], "question": "Which animal?", "answer": answer, "choices": ["cat", "dog"]}
    report = import_prompts(str(folder_of(tmp_path / "in", [row])), store, options())
    ((_, prompt),) = by_question(store, report).values()
    assert prompt.question == "Which animal?\nA. cat\nB. dog\nAnswer with the letter of the right choice."
    assert prompt.reference == "B"


def test_chats_end_with_the_question_and_give_the_answer(tmp_path: Path, store: FolderStore) -> None:
    chat = [{"from": "human", "value": "<image>\nhow many?"}, {"from": "gpt", "value": "4"}]
    parts = [
        {"role": "system", "content": "be short"},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what colour?"}]},
    ]
    rows = [
        {"image": "images/1.png", "conversations": chat},
        {"image": "images/1.png", "messages": parts, "answer": "red"},
    ]
    report = import_prompts(str(folder_of(tmp_path / "in", rows)), store, options())
    found = {question: prompt for question, (_, prompt) in by_question(store, report).items()}
    assert {q: p.reference for q, p in found.items()} == {"how many?": "4", "what colour?": "red"}
    assert [m.role for m in found["what colour?"].messages] == ["system", "user"]


def test_several_pictures_come_from_a_list_or_from_numbered_columns(tmp_path: Path, store: FolderStore) -> None:
    pictures = {f"images/{n}.png": png(n) for n in range(4)}
    rows = [
        {"images": ["images/0.png", "images/1.png"], "question": "same?", "answer": "no"},
        {"images": [{"path": "images/2.png"}, {"path": "images/3.png"}, None], "question": "other?", "answer": "no"},
    ]
    report = import_prompts(str(folder_of(tmp_path / "in", rows, pictures)), store, options())
    assert sorted(len(p.images) for _, p in by_question(store, report).values()) == [2, 2]
    numbered = [{"image_2": "images/1.png", "image_1": "images/0.png", "question": "same?", "answer": "no"}]
    other = import_prompts(str(folder_of(tmp_path / "n", numbered, pictures)), store, options(name="numbered"))
    assert by_question(store, other)["same?"][1].id == by_question(store, report)["same?"][1].id
