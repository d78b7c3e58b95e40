from pathlib import Path

import pytest

from ratchet import canonical
from ratchet.artifacts import GROUPS, Artifact, Manifest, Pack
from ratchet.errors import VerifierError
from ratchet.records import Completion, Group, Negative, Prompt, Shown
from ratchet.verify import VERIFIERS, Finding, apply, per_completion, stage
from tests import rows
from tests.unit.verify import staging

TEXTS = (("3", "4"), ("three", "x"), ("3 or 4", "<answer>3</answer>"), (), ("3",) * 5)


def groups(n: int) -> list[Group]:
    return [rows.group(i, TEXTS[i % len(TEXTS)]) for i in range(n)]


def test_the_stage_adds_the_verdicts_that_apply_gives(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    made = groups(11)
    manifest = staging.run(store, staging.round_at(store), "verify", generate=staging.parent(store, "generate", made))
    assert staging.rows_of(store, manifest) == apply(made, None, 60)
    assert [s.rows for s in manifest.shards] == [4, 4, 3]


def test_verdicts_that_are_there_already_stay_first(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    made = apply(groups(5), ["exact"], 60)
    manifest = staging.run(store, staging.round_at(store), "verify", generate=staging.parent(store, "generate", made))
    assert staging.rows_of(store, manifest) == apply(made, None, 60)


def test_the_recorded_hash_is_that_of_the_rows_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "SLICE", 3)
    store = staging.store_at(tmp_path)
    manifest = staging.run(
        store, staging.round_at(store), "verify", generate=staging.parent(store, "generate", groups(11), 7)
    )
    artifact = Artifact.open(store, manifest.uri, GROUPS)
    assert [GROUPS.rows_hash(t) for t in artifact.tables()] == [s.rows_hash for s in manifest.shards]


def test_packs_are_carried_over_and_reasons_counted(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    pack = Pack(uri=store.uri("images/p"), size=1, sha256="0" * 64, images=1)
    manifest = staging.run(
        store, staging.round_at(store), "verify", generate=staging.parent(store, "generate", groups(5), packs=[pack])
    )
    assert manifest.packs == (pack,)
    assert manifest.counts == {
        "groups": 5, "completions": 11, "passed": 8, "failed": 3, "unscored": 0, "solved": 4, "verdicts": 11,
        "negatives": 0, "negatives_scored": 0, "negatives_failed": 0, "without_picture": 0,
        "reason_ambiguous": 1, "reason_match": 8, "reason_unparsed": 1, "reason_wrong": 1,
    }  # fmt: skip
    assert manifest.results["skills"]["count"] == manifest.results["all"] == {
        "groups": 5, "completions": 11, "unscored": 0, "accuracy": round(8 / 11, 6), "mean_score": round(8 / 11, 6), "solved": 0.8,
        "without_picture": 0, "negatives": {"completions": 0, "scored": 0, "failed": 0},
    }  # fmt: skip


def verified(folder: Path, made: list[Group], **verify: object) -> Manifest:
    store = staging.store_at(folder)
    opened = staging.round_at(store, {"verify": verify})
    return staging.run(store, opened, "verify", generate=staging.parent(store, "generate", made))


def with_negatives(*, right: bool) -> Group:
    """Two honest answers, and one each of what says nothing about the model. The reference is 3."""
    text, other = ("3", "4") if right else ("4", "3")
    return Group(
        prompt=rows.prompt(),
        completions=(
            rows.completion(0, text),
            rows.completion(1, text),
            bad(2, other, Negative(kind="inject", seed=1, parent="completion:0")),
            bad(3, text, Negative(kind="misleading", seed=1, parent="question")),
            bad(4, text, Negative(kind="blur", use="input", seed=1, parent="picture:0")),
            rows.completion(5, other).model_copy(update={"input": Shown(messages=rows.prompt().messages, images=())}),
        ),
    )


def bad(index: int, text: str, negative: Negative) -> Completion:
    return rows.completion(index, text).model_copy(update={"negative": negative})


@pytest.mark.parametrize("right", [True, False])
def test_only_honest_answers_say_how_good_the_model_is(tmp_path: Path, right: bool) -> None:
    manifest = verified(tmp_path, [with_negatives(right=right)])
    share = float(right)
    found = manifest.results["all"]
    assert (found["accuracy"], found["mean_score"], found["solved"]) == (share, share, share)
    assert found["negatives"] == {"completions": 3, "scored": 2, "failed": 1}
    assert (found["completions"], found["without_picture"]) == (6, 1)
    counts = manifest.counts
    assert (counts["passed"], counts["failed"], counts["solved"]) == ((2, 0, 1) if right else (0, 2, 0))
    # What the verifiers said is counted whole: it is their work.
    assert counts["verdicts"] == counts["completions"] == 6


def test_every_completion_is_counted_as_one_thing(tmp_path: Path) -> None:
    made = [*groups(11), with_negatives(right=True), with_negatives(right=False)]
    counts = verified(tmp_path, made).counts
    assert counts["completions"] == sum(len(group.completions) for group in made)
    parts = ("passed", "failed", "unscored", "negatives", "without_picture")
    assert counts["completions"] == sum(counts[name] for name in parts)


def test_without_a_policy_no_negative_counts_as_judged(tmp_path: Path) -> None:
    found = verified(tmp_path, [with_negatives(right=True)], policy="none").results["all"]
    assert found["negatives"] == {"completions": 3, "scored": 0, "failed": 0}


def test_the_content_does_not_depend_on_the_size_of_shards_and_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = set()
    for number, (shard_size, slice_size) in enumerate([(3, 1024), (11, 1024), (11, 2)]):
        monkeypatch.setattr(stage, "SLICE", slice_size)
        store = staging.store_at(tmp_path / str(number))
        digests.add(
            staging.run(
                store,
                staging.round_at(store),
                "verify",
                generate=staging.parent(store, "generate", groups(11), shard_size),
            ).content_digest
        )
    assert len(digests) == 1


def test_a_killed_stage_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, twin = staging.store_at(tmp_path / "a"), staging.store_at(tmp_path / "b")
    whole = staging.run(twin, staging.round_at(twin), "verify", generate=staging.parent(twin, "generate", groups(11)))
    opened, made = staging.round_at(store), staging.parent(store, "generate", groups(11))

    verify = stage._verify
    calls: list[int] = []

    def dies(context: stage.StageContext, *given: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return verify(context, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(stage, "_verify", dies)
    with pytest.raises(KeyboardInterrupt):
        staging.run(store, opened, "verify", generate=made)
    resumed = staging.run(store, opened, "verify", generate=made)
    assert len(calls) == 4
    assert (resumed.content_digest, resumed.counts) == (whole.content_digest, whole.counts)


def test_unknown_verifiers_end_the_stage(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    asking = [g.model_copy(update={"prompt": g.prompt.model_copy(update={"verifiers": ("magic",)})}) for g in groups(3)]
    with pytest.raises(VerifierError, match="'magic'"):
        staging.run(store, staging.round_at(store), "verify", generate=staging.parent(store, "generate", asking))


def test_crashes_that_the_recipe_allows_are_counted_and_more_stop_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def boom(_: Prompt, text: str) -> Finding:
        raise ValueError(text)

    monkeypatch.setitem(VERIFIERS, "numeric", per_completion(boom, name="numeric"))
    store = staging.store_at(tmp_path)
    made = staging.parent(store, "generate", groups(5))
    with pytest.raises(VerifierError, match=r"verdicts broke, more than verify.max_error_share .* verifier numeric"):
        staging.run(store, staging.round_at(store), "verify", generate=made)
    opened = staging.round_at(store, {"verify": {"max_error_share": 1}})
    manifest = staging.run(store, opened, "verify", generate=made)
    assert (manifest.counts["unscored"], manifest.counts["reason_crash"]) == (11, 11)
    assert manifest.results["all"]["accuracy"] is None


def test_nothing_generated_is_nothing_verified(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    manifest = staging.run(store, staging.round_at(store), "verify", generate=staging.parent(store, "generate", []))
    assert (manifest.rows, manifest.counts["verdicts"]) == (0, 0)


def test_the_count_of_a_shard_is_written_before_it(tmp_path: Path) -> None:
    store = staging.store_at(tmp_path)
    opened, made = staging.round_at(store), staging.parent(store, "generate", groups(5))
    manifest = staging.run(store, opened, "verify", generate=made)
    prefix = store.key(manifest.uri)
    tally = canonical.loads(store.get(f"{prefix}/tally-00000.json"))
    assert tally["skills"]["count"]["groups"] == 4
