"""How verifiers agree, against a count by hand and another library's kappa; and who decided."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet import canonical
from ratchet.artifacts import Manifest
from ratchet.recipe import VerifyConfig
from ratchet.records import Group, Verdict
from ratchet.verify.disagreement import Pairs, disagreeing, in_words, kappa
from ratchet.verify.tally import Tally
from tests import rows
from tests.unit.verify import staging


def said(name: str, passed: bool | None) -> Verdict:
    return Verdict(verifier=name, version="1", passed=passed, reason="r")


def counted(lists: list[dict[str, bool | None]]) -> Pairs:
    pairs = Pairs()
    for one in lists:
        pairs.add([said(name, passed) for name, passed in one.items()], 1)
    return pairs


def test_a_pair_counts_only_what_both_decided() -> None:
    pairs = counted(
        [
            {"b": True, "a": True},
            {"a": True, "b": False},
            {"a": False, "b": True},
            {"a": False, "b": False},
            {"a": False, "b": False},
            {"a": True, "b": None},
            {"a": True},
        ]
    )
    (found,) = pairs.results()
    assert found == {
        "left": "a", "right": "b", "both": 5, "agree": 3, "disagree": 2, "only_left": 1, "only_right": 1,
        "kappa": round((3 / 5 - (2 * 2 + 3 * 3) / 25) / (1 - (2 * 2 + 3 * 3) / 25), 6),
    }  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_kappa_is_that_of_scikit_learn(both: list[tuple[bool, bool]]) -> None:
    from sklearn.metrics import cohen_kappa_score

    counts = [both.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))]
    found = kappa(counts)
    if any(len(set(one)) == 1 for one in zip(*both, strict=True)):
        assert found is None, "one answer only: nothing to measure"
    else:
        assert found == pytest.approx(cohen_kappa_score(*zip(*both, strict=True), labels=[True, False]))


def test_three_verifiers_make_three_pairs_and_shards_add_up() -> None:
    chance = random.Random(3)
    lists = [{name: chance.choice([True, False, None]) for name in "abc"} for _ in range(60)]
    whole, first = counted(lists), counted(lists[:13])
    first += Pairs(canonical.loads(canonical.dumps(counted(lists[13:]).dump())))
    assert first.results() == whole.results()
    assert [(one["left"], one["right"]) for one in whole.results()] == [("a", "b"), ("a", "c"), ("b", "c")]
    for one in whole.results():
        assert one["both"] == sum(None not in (x[one["left"]], x[one["right"]]) for x in lists)


def test_disagreeing_needs_a_pass_and_a_fail() -> None:
    assert disagreeing([said("a", True), said("b", False), said("c", None)])
    assert not disagreeing([said("a", True), said("b", None)])
    assert not disagreeing([])


def test_the_words_name_the_worst_pairs_first() -> None:
    same, opposite = {"a": True, "b": True}, {"a": True, "b": False}
    pairs = counted([{**same, "c": False}, {**opposite, "c": True}, {"a": False, "b": False, "c": False}])
    first, *_, last = in_words(pairs.results(), most=2)
    assert first.startswith("b and c agree on 33% of 3 that both decided (kappa -0.50")
    assert last == "and 1 more pairs that agree better"


def verified(folder: Path, groups: list[Group], shard_size: int = 4, **verify: object) -> Manifest:
    store = staging.store_at(folder)
    opened = staging.round_at(store, {"verify": verify})
    return staging.run(store, opened, "verify", generate=staging.parent(store, "generate", groups, shard_size))


TEXTS = (("3", "3 apples"), ("three", "4"), ("4", "no"), ("3", "3 or 4"))


def test_the_stage_tells_how_its_verifiers_agree_and_who_decided(tmp_path: Path) -> None:
    made = [rows.group(i, TEXTS[i % 4]) for i in range(12)]
    manifest = verified(tmp_path, made, verifiers=["numeric", "exact"])
    found = [
        v for g in staging.rows_of(staging.store_at(tmp_path), manifest) for c in g.completions for v in [c.verdicts]
    ]
    by_hand = counted([{v.verifier: v.passed for v in verdicts} for verdicts in found])
    assert manifest.results["disagreement"] == by_hand.results()
    assert manifest.results["disagreement"][0]["disagree"] > 0
    decided = {one["verifier"]: one for one in manifest.results["decided"]}
    # Numeric reads three in words and beside apples, exact does not: it alone fails those.
    assert decided["exact"]["failed"] > 0
    assert decided[None]["passed"] == manifest.counts["passed"]
    said = {one["verifier"]: one for one in manifest.results["said"]}
    assert said.keys() == manifest.results["verifiers"].keys() == {"numeric", "exact"}
    for name, one in said.items():
        words = [next(v.passed for v in verdicts if v.verifier == name) for verdicts in found]
        assert [one[what] for what in ("passed", "failed", "unscored")] == [words.count(w) for w in (True, False, None)]
    for what in ("passed", "failed", "unscored"):
        assert sum(one[what] for one in decided.values()) == manifest.counts[what]


def test_disagreement_does_not_depend_on_shards(tmp_path: Path) -> None:
    made = [rows.group(i, TEXTS[i % 4]) for i in range(11)]
    results = [
        verified(tmp_path / str(size), made, size, verifiers=["numeric", "exact", "choice"]).results for size in (2, 11)
    ]
    assert results[0] == results[1]


def test_one_verifier_disagrees_with_nobody(tmp_path: Path) -> None:
    manifest = verified(tmp_path, [rows.group(0)])
    assert manifest.results["disagreement"] == []
    assert manifest.results["decided"] == [{"verifier": "numeric", "passed": 1, "failed": 1, "unscored": 0}]


def test_a_tally_survives_being_written_and_read() -> None:
    tally = Tally()
    made = [rows.group(i) for i in range(3)]
    lists = [[(said("a", True), said("b", c.text == "3")) for c in g.completions] for g in made]
    tally.add(made, lists, VerifyConfig())
    again = Tally.load(canonical.loads(canonical.dumps(tally.dump())))
    assert (again.results(), again.counts()) == (tally.results(), tally.counts())
