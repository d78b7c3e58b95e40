from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratchet.errors import ImportRefused
from ratchet.importing import import_prompts
from ratchet.store import FolderStore
from tests.unit.importing.samples import by_question, folder_of, options, parquet_file, png, prompts_in, rows_of


def test_other_salts_split_otherwise_within_one_family(tmp_path: Path, store: FolderStore) -> None:
    source = str(folder_of(tmp_path / "in", rows_of(40)))
    one, other = (import_prompts(source, store, options(salt=salt)) for salt in ("a", "b"))
    assert one.set.digest != other.set.digest
    assert one.set.family == other.set.family
    assert not any("another set" in warning for warning in one.warnings)
    assert any("another set named dots" in warning and one.set.digest[:12] in warning for warning in other.warnings)


def test_a_datasets_own_splits_are_kept_and_test_is_divided(tmp_path: Path, store: FolderStore) -> None:
    parquet_file(tmp_path / "in" / "train-0.parquet", rows_of(30))
    parquet_file(tmp_path / "in" / "validation-0.parquet", rows_of(10, 30))
    parquet_file(tmp_path / "in" / "test-0.parquet", rows_of(60, 40))
    report = import_prompts(str(tmp_path / "in"), store, options(split_column="split"))
    assert (report.splits["pool"], report.splits["validation"]) == (30, 10)
    assert report.splits["holdout"] + report.splits["report"] == 60
    assert min(report.splits["holdout"], report.splits["report"]) > 5


def test_own_split_names_can_be_mapped(tmp_path: Path, store: FolderStore) -> None:
    rows = [{**row, "fold": name} for row, name in zip(rows_of(4), ["a", "b", "c", "d"], strict=True)]
    mapped = {"a": "pool", "b": "holdout", "c": "report"}
    report = import_prompts(
        str(folder_of(tmp_path / "in", rows)), store, options(split_column="fold", split_names=mapped)
    )
    assert report.splits == {"pool": 1, "validation": 0, "holdout": 1, "report": 1}
    assert report.rejected == {"unknown_split": 1}


def test_a_picture_in_two_own_splits_goes_to_the_protected_one_and_is_told(tmp_path: Path, store: FolderStore) -> None:
    rows = [{**rows_of(1)[0], "split": "train"}, {**rows_of(1)[0], "id": "x", "question": "else?", "split": "holdout"}]
    report = import_prompts(str(folder_of(tmp_path / "in", rows)), store, options(split_column="split"))
    assert report.splits["holdout"] == 2
    assert any("moved" in warning for warning in report.warnings)


def test_rows_of_one_document_stay_together(tmp_path: Path, store: FolderStore) -> None:
    rows = [{**row, "document": f"d{n % 10}"} for n, row in enumerate(rows_of(60))]
    report = import_prompts(str(folder_of(tmp_path / "in", rows)), store, options(split_by="document"))
    splits: dict[str, set[str]] = {}
    for split, prompts in prompts_in(store, report).items():
        for prompt in prompts:
            splits.setdefault(prompt.split_key, set()).add(split)
    assert set(splits) == {f"d{n}" for n in range(10)}
    assert all(len(found) == 1 for found in splits.values())


def test_a_holdout_that_is_large_enough_to_promote_with_is_not_warned_of(tmp_path: Path, store: FolderStore) -> None:
    report = import_prompts(
        str(folder_of(tmp_path / "in", rows_of(210))), store, options(shares={"pool": 0.01, "holdout": 0.99})
    )
    assert report.splits["holdout"] >= 200
    assert not any("split holdout" in one for one in report.warnings)


def test_small_and_empty_splits_are_warned_of_with_what_to_do(tmp_path: Path, store: FolderStore) -> None:
    report = import_prompts(
        str(folder_of(tmp_path / "in", rows_of(40))), store, options(shares={"pool": 1, "holdout": 1})
    )
    told = "\n".join(report.warnings)
    assert "split validation is empty" in told
    assert "split holdout has only" in told
    assert "promote.min_items 200, the default, cannot promote" in told
    assert "larger share" in told
    assert any("accepted 40" in line for line in report.lines())


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shown=st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=3), min_size=1, max_size=25),
    broken=st.sets(st.integers(0, 24)),
    salt=st.text("abc", max_size=3),
)
def test_whatever_rows_share_all_are_accounted_for_and_no_picture_is_in_two_splits(
    tmp_path_factory: pytest.TempPathFactory, shown: list[list[int]], broken: set[int], salt: str
) -> None:
    root = tmp_path_factory.mktemp("any")
    rows = [
        {"images": [f"{p}.png" for p in pictures], "question": f"q{n}?" if n not in broken else "", "answer": "yes"}
        for n, pictures in enumerate(shown)
    ]
    source = folder_of(root / "in", rows, {f"{n}.png": png(n) for n in range(13)})
    store = FolderStore(root / "store")
    bad = len([n for n in range(len(rows)) if n in broken])
    if bad == len(rows):
        with pytest.raises(ImportRefused):
            import_prompts(str(source), store, options(salt=salt))
        return
    report = import_prompts(str(source), store, options(salt=salt))
    assert report.rows_read == len(rows) == report.accepted + sum(report.rejected.values())
    found = prompts_in(store, report)
    assert sum(map(len, found.values())) == report.accepted
    where: dict[str, set[tuple[str, str]]] = {}
    for split, prompts in found.items():
        for prompt in prompts:
            for image in prompt.images:
                where.setdefault(image.sha256, set()).add((split, prompt.split_key))
    assert all(len(places) == 1 for places in where.values())


@settings(max_examples=5, deadline=None)
@given(extra=st.integers(1, 30))
def test_a_rows_split_does_not_depend_on_the_other_rows(tmp_path_factory: pytest.TempPathFactory, extra: int) -> None:
    root = tmp_path_factory.mktemp("stable")
    small = import_prompts(str(folder_of(root / "a", rows_of(10))), FolderStore(root / "s1"), options(salt="s"))
    large = import_prompts(str(folder_of(root / "b", rows_of(10 + extra))), FolderStore(root / "s2"), options(salt="s"))
    before, after = by_question(FolderStore(root / "s1"), small), by_question(FolderStore(root / "s2"), large)
    assert {q: split for q, (split, _) in before.items()} == {q: after[q][0] for q in before}
