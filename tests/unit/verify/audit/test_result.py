"""The record of an audit: what it keeps, what it leaves out of digests, and what it says of a constant."""

from __future__ import annotations

from ratchet.verify.audit import Audited, AuditResult, Difference, Probed, Share


def result(**fields: object) -> AuditResult:
    one = Audited(verifier="judge", version="1", family="model", seconds_per_verdict=0.25, **fields)  # type: ignore[arg-type]
    return AuditResult(truth="prompt", prompts=10, answers=40, k=4, temperature=1.0, verifiers=(one,))


def test_what_goes_into_digests_has_no_clock_and_reads_back() -> None:
    whole = result(gold=Probed(n=10, passed=9))
    assert whole.without_seconds()["verifiers"][0]["seconds_per_verdict"] is None
    assert AuditResult.model_validate(whole.without_seconds()).of("judge").gold == Probed(n=10, passed=9)  # type: ignore[union-attr]
    assert AuditResult.model_validate_json(whole.model_dump_json()) == whole
    assert whole.of("nobody") is None


def test_only_an_interval_above_the_base_rate_is_better_than_a_constant() -> None:
    base = Share(n=40, clusters=10, share=0.5, low=0.3, high=0.7)
    good = Share(n=20, clusters=10, share=0.8, low=0.6, high=0.9)
    luck = Share(n=20, clusters=10, share=0.6, low=0.4, high=0.8)
    said = [result(base_rate=base, precision=p).verifiers[0].better_than_constant for p in (good, luck, Share())]
    assert said == [True, False, False]
    assert result(is_truth=True).verifiers[0].better_than_constant


def test_a_difference_is_there_when_its_interval_leaves_zero_out() -> None:
    assert Difference(n=9, clusters=9, value=0.3, low=0.1, high=0.5).there
    assert not Difference(n=9, clusters=9, value=0.3, low=-0.1, high=0.7).there
    assert not Difference().there


def test_what_is_neither_passed_nor_unscored_is_rejected() -> None:
    assert Probed(n=10, passed=3, unscored=2).rejected == 5
