"""The audit within a round: before anything is verified, on validation alone, the same after a kill, and able to stop it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ratchet import canonical, models
from ratchet.artifacts import Manifest
from ratchet.errors import AuditFailed, RecipeError, VerifierError
from ratchet.promptset import PromptSetWriter
from ratchet.recipe import load
from ratchet.stage import StageContext, context_of, run_step
from ratchet.store import FolderStore
from ratchet.tinyworld.seed import SEED_DIR
from ratchet.verify import stage as verify
from ratchet.verify.audit import AuditResult
from ratchet.verify.audit import stage as auditing
from ratchet.verify.audit.result import AUDIT_FILE
from tests import rows, tiny
from tests.unit.generate.test_plan import Fenced
from tests.unit.verify.staging import parent

AUDIT = {"prompts": 18, "k": 3}
SKILLS = {"verifiers": ["prompt", {"name": "majority", "floor": 0.5}]}


def context(
    folder: Path,
    audit: dict[str, Any] | None,
    verifiers: dict[str, Any] = SKILLS,
    validation: int = 36,
    groups: int = 5,
) -> StageContext:
    """The verify stage of a round with the shipped seed. Its store refuses to read holdout and report."""
    store = FolderStore(str(folder))
    seed = models.upload(store, SEED_DIR, "seed")
    sizes = {"pool": 9, "validation": validation, "holdout": 9, "report": 9}
    prompts = tiny.prompt_set(store, **{split: n for split, n in sizes.items() if n})
    opened = tiny.opened_round(store, seed, prompts, {"verify": {**verifiers, "audit": audit}})
    return context_of(
        "verify",
        Fenced(str(folder)),
        opened,
        {"generate": parent(store, "generate", [rows.group(n) for n in range(groups)])},
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[StageContext, Manifest]:
    """An audited stage that nothing disturbed."""
    one = context(tmp_path_factory.mktemp("whole"), AUDIT)
    return one, run_step(one)


def kept(one: StageContext) -> AuditResult:
    return AuditResult.model_validate(canonical.loads(one.store.get(f"{one.prefix}/{AUDIT_FILE}")))


def test_the_round_keeps_what_the_audit_found_without_clocks_in_its_manifest_and_with_them_beside_it(
    whole: tuple[StageContext, Manifest],
) -> None:
    one, manifest = whole
    found = AuditResult.model_validate(manifest.results["audit"])
    assert (found.prompts, found.answers, found.truth, found.split) == (18, 54, "prompt", "validation")
    names = [row.verifier for row in found.verifiers]
    assert names[-4:] == ["majority", "combined", "always_pass", "coin"]
    assert {"numeric", "exact"} <= set(names)
    assert all(row.seconds_per_verdict is None for row in found.verifiers)
    assert kept(one).without_seconds() == found.model_dump(mode="json")
    assert kept(one).of("majority").seconds_per_verdict is not None  # type: ignore[union-attr]


def test_rules_that_are_the_truth_are_told_apart_from_what_is_measured_against_them(
    whole: tuple[StageContext, Manifest],
) -> None:
    one, _ = whole
    numeric, majority = kept(one).of("numeric"), kept(one).of("majority")
    assert numeric is not None
    assert majority is not None
    assert numeric.is_truth
    assert not majority.is_truth
    assert majority.family == "votes"
    assert numeric.answers.n < 54 == majority.answers.n  # each prompt's own rules look at its answers alone


def test_a_kill_after_the_audit_leaves_it_standing_and_the_round_is_the_same(
    tmp_path: Path, monkeypatch: Any, whole: tuple[StageContext, Manifest]
) -> None:
    one = context(tmp_path / "killed", AUDIT)
    with monkeypatch.context() as patched:
        patched.setattr(verify, "_shard", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_step(one)
    before = one.store.get(f"{one.prefix}/{AUDIT_FILE}")
    with monkeypatch.context() as patched:
        patched.setattr(auditing, "measured", lambda *_: pytest.fail("it was measured again"))
        again = run_step(context(tmp_path / "killed", AUDIT))
    assert again.content_digest == whole[1].content_digest
    assert one.store.get(f"{one.prefix}/{AUDIT_FILE}") == before


def test_a_kill_in_the_audit_gives_the_same_when_it_is_made_again(
    tmp_path: Path, monkeypatch: Any, whole: tuple[StageContext, Manifest]
) -> None:
    real = auditing.measured

    def killed(*given: Any) -> Any:
        real(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(auditing, "measured", killed)
        with pytest.raises(KeyboardInterrupt):
            run_step(context(tmp_path / "killed", AUDIT))
    assert run_step(context(tmp_path / "killed", AUDIT)).content_digest == whole[1].content_digest


def test_too_little_precision_stops_the_stage_with_the_numbers_and_keeps_the_audit(
    tmp_path: Path, monkeypatch: Any
) -> None:
    audit = {**AUDIT, "min_precision": {"majority": 1.0}, "min_precision_by": "interval"}
    one = context(tmp_path, audit)
    with pytest.raises(AuditFailed) as failed:
        run_step(one)
    majority = kept(one).of("majority")
    assert majority is not None
    told = str(failed.value)
    assert f"precision of verifier majority is {majority.precision.share:.3f}" in told
    assert f"{majority.answers.true_positives} of the {majority.precision.n} answers" in told
    assert "interval's lower end must reach 1" in told
    assert "begin again" in told
    assert one.store.stat(f"{one.prefix}/manifest.json") is None
    monkeypatch.setattr(auditing, "measured", lambda *_: pytest.fail("it was measured again"))
    with pytest.raises(AuditFailed):
        run_step(context(tmp_path, audit))


def test_enough_precision_lets_the_round_go_on(tmp_path: Path) -> None:
    one = context(tmp_path, {**AUDIT, "min_precision": {"majority": 0.01, "combined": 0.9}})
    assert run_step(one).rows == 5


def test_judges_that_answer_too_show_whether_they_prefer_their_own_answers(tmp_path: Path) -> None:
    again = {"name": "self_check", "judge": "other", "expects": "answer", "template": "{question}"}
    verify_ = {"verifiers": [again, "majority"], "judges": {"other": {"model": "other", "max_new_tokens": 8}}}
    one = context(tmp_path, {**AUDIT, "prompts": 9, "judges_answer": True}, verify_, groups=0)
    model = models.upload(FolderStore(str(tmp_path)), SEED_DIR, "other")
    opened = one.round.model_copy(update={"models": {"other": model}})
    again_ = context_of("verify", one.store, opened, one.parents)
    run_step(again_)
    found = kept(again_)
    assert set(found.models) == {opened.seed.label, model.label}
    assert found.answers == 9 * 2 * 3
    checked, majority = found.of("self_check"), found.of("majority")
    assert checked is not None
    assert majority is not None
    # It is the seed under another name, so there is nothing to prefer.
    assert checked.self_preference is not None
    assert checked.self_preference.n > 9
    assert not checked.self_preference.there
    assert majority.self_preference is None
    assert found.spent["other"]["calls"] > 0


def test_validation_is_part_of_the_stages_key_only_where_it_is_audited(tmp_path: Path) -> None:
    keys = {
        (bool(audit), validation): context(tmp_path / f"{validation}-{bool(audit)}", audit, validation=validation).key
        for audit in (None, AUDIT)
        for validation in (18, 36)
    }
    assert keys[(False, 18)] == keys[(False, 36)]
    assert keys[(True, 18)] != keys[(True, 36)]


def test_a_set_without_validation_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        VerifierError, match=r"has none; raise prompts\.validation, import a set with one, or remove verify\.audit"
    ):
        run_step(context(tmp_path, AUDIT, validation=0))


def test_validation_without_references_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    one = context(tmp_path, AUDIT)
    prompts, pictures = tiny.world("validation", 5)
    bare = [prompt.model_copy(update={"reference": None}) for prompt in prompts]
    writer = PromptSetWriter(one.store, name="bare", digest="b" * 64, source="test", salt="s")
    writer.write_part("validation", bare, [tiny.pack(one.store, pictures, "bare")])
    opened = one.round.model_copy(update={"prompts": writer.finish([]).digest})
    again = context_of("verify", one.store, opened, one.parents)
    with pytest.raises(
        VerifierError, match=r"no validation prompt of bare has both a reference and verifiers.*--labels"
    ):
        run_step(again)


def test_a_recipe_that_asks_precision_of_an_unknown_verifier_is_refused() -> None:
    with pytest.raises(RecipeError, match="judgee: no verifier of the recipe is called so; there are: majority"):
        load("{name: a, verify: {verifiers: [majority], audit: {min_precision: {judgee: 0.5}}}}")
    assert load("{name: a, verify: {verifiers: [majority], audit: {min_precision: {combined: 0.5}}}}")


def test_precision_of_a_verifier_that_no_prompt_names_is_not_taken_for_enough(tmp_path: Path) -> None:
    one = context(tmp_path, {**AUDIT, "min_precision": {"judgee": 0.5}})
    with pytest.raises(
        AuditFailed, match=r"min_precision names judgee, but no prompt .* there are: .*majority, combined"
    ):
        run_step(one)


def test_the_store_of_these_tests_does_refuse_the_holdout(tmp_path: Path) -> None:
    one = context(tmp_path, AUDIT)
    assert isinstance(one.store, FolderStore)
    with pytest.raises(AssertionError):
        one.store.get(f"prompts/{one.round.prompts[:32]}/holdout/manifest.json")
