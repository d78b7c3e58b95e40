from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ratchet.artifacts import GROUPS, Artifact, Manifest
from ratchet.filter import stage
from ratchet.filter.excluded import EXCLUDED, Excluded, excluded_prefix
from ratchet.records import Group
from ratchet.store import Store
from ratchet.verify import stage as verify_stage
from tests.unit.filter.cases import completion, group, prompt, ref
from tests.unit.verify import staging

MARKS = ("+-", "--", "++", "??", "uu", "+-+-", "-+")
SKILLS = ("count", "count", "exist", "count", "read", "count", "exist")


EVERYTHING: dict[str, Any] = {
    "pairs": {"mean_length_ratio": 1.2, "choose": "best_worst"},
    "dedup_text": {"of": "both"},
    "diversity": {"keep": 18, "clusters": 4},
    "per_difficulty": 7,
    "decontaminate_ngram": 8,
    "replay": {},
}
"""Filters that look at many rows, all at once."""


def mixed(n: int) -> list[Group]:
    return [
        group(MARKS[i % 7], i // 2 * 2 if i % 5 == 0 else i, skill=SKILLS[i % 7], difficulty=i % 10 / 10)
        for i in range(n)
    ]


def filtered(
    store: Store, groups: list[Group], shard_size: int = 4, held_out: Any = (), verify: Any = None, **config: Any
) -> Manifest:
    opened = staging.round_at(store, {"filter": config, "verify": verify or {}}, held_out)
    return staging.run(store, opened, "filter", verify=staging.parent(store, "verify", groups, shard_size))


def excluded(store: Store, manifest: Manifest) -> list[Excluded]:
    return list(Artifact(store, excluded_prefix(store.key(manifest.uri)), EXCLUDED).rows())


def reasons(store: Store, manifest: Manifest) -> list[str]:
    return [row.reason for row in excluded(store, manifest)]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"min_pass_rate": 0.4, "max_pass_rate": 0.6},
        {"per_skill": 3, "balance": 1.5},
        {"pairs": {}, "balance": 1},
        {"dedup_exact": False},
        {"per_difficulty": 2},
        {"per_pass_rate": 4, "balance": 1},
        {"dedup_text": {"scope": "any"}, "pairs": {"mean_length_ratio": 1.1}},
    ],
)
def test_kept_and_dropped_add_up_to_the_rows(tmp_path: Path, config: dict[str, Any]) -> None:
    store = staging.store_at(tmp_path)
    manifest = filtered(store, mixed(40), **config)
    results = manifest.results
    dropped = Counter(reasons(store, manifest))
    assert manifest.rows + dropped.total() == 40
    assert results["reasons"] == dict(dropped)
    assert (results["rows"], results["kept"]) == (40, manifest.rows)
    for table in (results["skills"], results["bands"], results["pass_rates"]):
        for counts in table.values():
            assert counts["rows"] == sum(number for name, number in counts.items() if name != "rows")
        assert sum(counts["rows"] for counts in table.values()) == 40
    assert manifest.counts["rows"] == manifest.counts["kept"] + sum(
        n for name, n in manifest.counts.items() if name.startswith("dropped_")
    )


def test_filtering_adds_and_changes_nothing_else(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    given = {g.prompt.id: g for g in mixed(7)}
    kept = staging.rows_of(store, filtered(store, mixed(7), pairs={}))
    assert [g.completions[0].text for g in kept] == ["+0", "+0", "+0", "-0"]
    for one in kept:
        before = given[one.prompt.id]
        bare = tuple(c.model_copy(update={"kept": None, "reason": None}) for c in one.completions)
        assert one.model_copy(update={"completions": bare, "pairs": (), "uses": ()}) == before
        assert all(c.kept is not None for c in one.completions)
        assert one.uses


def test_excluded_rows_say_what_they_were(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    (row,) = excluded(store, filtered(store, [group("---", 3, difficulty=0.5), group("+-", 4)]))
    assert (row.reason, row.pass_rate, row.question, row.skill, row.difficulty) == (
        "too_hard",
        0.0,
        "how many ?",
        "count",
        0.5,
    )
    assert (row.prompt_id, row.images) == (prompt(3).id, (ref(3).sha256,))


def test_the_recorded_hash_is_that_of_the_rows_written(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    manifest = filtered(store, mixed(20), pairs={})
    assert [GROUPS.rows_hash(t) for t in Artifact.open(store, manifest.uri, GROUPS).tables()] == [
        s.rows_hash for s in manifest.shards
    ]


def test_the_content_does_not_depend_on_the_size_of_shards_and_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = set()
    for number, (shard_size, slice_size) in enumerate([(3, 1024), (40, 1024), (40, 7)]):
        monkeypatch.setattr(verify_stage, "SLICE", slice_size)
        found.add(
            filtered(
                staging.store_at(tmp_path / str(number)), mixed(40), shard_size, per_skill=6, **EVERYTHING
            ).content_digest
        )
    assert len(found) == 1


def test_a_killed_stage_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = staging.store_at(tmp_path / "a")
    whole = filtered(staging.store_at(tmp_path / "b"), mixed(20), **EVERYTHING)
    keep = stage._keep
    calls: list[int] = []

    def dies(*given: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return keep(*given)

    monkeypatch.setattr(stage, "_keep", dies)
    with pytest.raises(KeyboardInterrupt):
        filtered(store, mixed(20), **EVERYTHING)
    resumed = filtered(store, mixed(20), **EVERYTHING)
    assert len(calls) == 6
    assert (resumed.content_digest, resumed.counts) == (whole.content_digest, whole.counts)


def test_same_pictures_and_question_are_kept_once(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    again = group("+-", 1, question="How  many?", skill="other")
    other = group("+-", 1, question="is there one ?")
    manifest = filtered(store, [group("--", 1), group("+-", 1), again, other])
    assert reasons(store, manifest) == ["too_hard", "duplicate"]
    assert filtered(staging.store_at(tmp_path / "off"), [group("+-", 1), again], dedup_exact=False).rows == 2


def test_the_rarest_skill_sets_the_balance(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    groups = [group("+-", i, skill="many" if i < 20 else "few") for i in range(24)]
    manifest = filtered(store, groups, balance=2)
    assert {name: counts["kept"] for name, counts in manifest.results["skills"].items()} == {"few": 4, "many": 8}
    assert reasons(store, manifest) == ["unbalanced"] * 12


def test_a_difficulty_band_and_a_fifth_of_the_pass_rate_hold_at_most_their_cap(tmp_path: Path) -> None:
    groups = [group("+-" if i % 3 else "+---", i, difficulty=i % 4 / 4) for i in range(24)]
    store = staging.store_at(tmp_path)
    made = filtered(store, groups, per_difficulty=4, per_pass_rate=7)
    bands, rates = made.results["bands"], made.results["pass_rates"]
    assert {name: counts["kept"] for name, counts in rates.items()} == {"0.2-0.4": made.rows - 7, "0.4-0.6": 7}
    assert all(counts["kept"] <= 4 for counts in bands.values())
    assert set(reasons(store, made)) == {"over_difficulty_cap", "over_pass_rate_cap"}


def test_near_duplicates_of_text_are_kept_once_by_question_or_by_answer(tmp_path: Path) -> None:
    def ask(number: int, question: str, answer: str) -> Group:
        both = (completion(0, "+", answer), completion(1, "-"))
        return Group(prompt=prompt(number, question=question), completions=both)

    groups = [
        ask(1, "how many red circles are in the picture ?", "a dog sleeps on the red sofa"),
        ask(1, "How many red circles are in this picture?", "seven"),
        ask(2, "how many red circles are there in the picture ?", "a dog sleeps on a red sofa"),
        ask(3, "what colour is the bus ?", "blue"),
    ]

    def drops(name: str, **config: Any) -> list[str]:
        store = staging.store_at(tmp_path / name)
        made = filtered(store, groups, dedup_text={"similarity": 0.5, **config})
        assert set(reasons(store, made)) <= {"near_duplicate_text"}
        kept = [g.prompt.id for g in staging.rows_of(store, made)]
        return "".join(str(i) for i, one in enumerate(groups) if one.prompt.id not in kept)

    assert drops("pictures") == "1"
    assert drops("any", scope="any") == "12"
    assert drops("answers", of="answers", scope="any") == "2"
    assert drops("both", of="both", scope="any") == "2"
    assert drops("strict", similarity=0.99, scope="any") == ""


def test_without_a_policy_everything_passes(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    groups = [group(MARKS[i % 7], i) for i in range(14)]
    manifest = filtered(store, groups, verify={"policy": "none"}, max_pass_rate=0.5, pairs={})
    assert manifest.rows == 14
    assert all(g.uses == ("sft",) and g.completions[0].kept for g in staging.rows_of(store, manifest))


def test_nothing_kept_is_an_artifact_too(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    manifest = filtered(store, [group("--", i) for i in range(6)])
    assert (manifest.rows, staging.rows_of(store, manifest), len(excluded(store, manifest))) == (0, [], 6)
    assert filtered(staging.store_at(tmp_path / "none"), []).rows == 0


def test_a_group_that_its_strategy_gave_up_is_dropped_with_its_own_reason_and_blocks_no_other(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    own = ["unreadable_question", "too_easy", "unreadable_question"]
    refused = [
        group("" if why.startswith("un") else "+-", number).model_copy(update={"reason": why})
        for number, why in enumerate(own)
    ]
    # Row 3 asks what the refused row 1 asks: it is no duplicate of it.
    manifest = filtered(store, [*refused, group("+-", 1), group("+-", 4)], verify={"policy": "none"})
    assert manifest.results["reasons"] == {"too_easy": 1, "unreadable_question": 2}
    assert manifest.counts["dropped_unreadable_question"] == 2
    assert reasons(store, manifest) == own
    assert [g.prompt.id for g in staging.rows_of(store, manifest)] == [prompt(1).id, prompt(4).id]
