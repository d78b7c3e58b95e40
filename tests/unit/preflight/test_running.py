"""Checks side by side: what hangs or crashes has failed, and no secret is told."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from pydantic import ValidationError

from ratchet.errors import RecipeError, StoreError
from ratchet.preflight import Context, Finding, run_checks
from ratchet.preflight.catalogue import CHECKS, chosen
from ratchet.preflight.checking import Check
from ratchet.preflight.finding import fail, ok, worst
from ratchet.preflight.mending import MENDS
from ratchet.profile import Profile


def raising(error: BaseException) -> Check:
    def run(_: Context) -> Finding:
        raise error

    return Check("raising", "", run)


def test_a_check_that_hangs_has_failed_and_the_others_are_told() -> None:
    never = threading.Event()
    hangs = Check("hangs", "", lambda _: ok(str(never.wait())), limit=0.3)
    start = time.monotonic()
    hung, quick = run_checks([hangs, Check("quick", "", lambda _: ok("there"))], Context())
    assert time.monotonic() - start < 30
    assert (hung.result, hung.seen) == ("fail", "no answer within 0.3 s")
    assert hung.seconds >= 0.3
    assert quick.result == "ok"
    never.set()


def test_a_check_that_crashes_has_failed_and_says_that_nothing_is_known() -> None:
    (answer,) = run_checks([raising(KeyError("etag"))], Context())
    assert answer.result == "fail"
    assert answer.seen == "the check itself crashed: KeyError: 'etag'"
    assert "Nothing is known" in answer.fix


def test_a_check_that_wants_to_end_the_program_has_crashed_and_is_not_waited_for() -> None:
    (answer,) = run_checks([raising(SystemExit(3))], Context(), 60)
    assert (answer.result, answer.seen) == ("fail", "the check itself crashed: SystemExit: 3")
    assert answer.seconds < 30


def test_an_error_of_ours_is_a_failure_with_its_words() -> None:
    (answer,) = run_checks([raising(StoreError("no bucket: create it"))], Context())
    assert (answer.result, answer.seen, answer.fix) == ("fail", "no bucket: create it", "As the words on the left say.")


def test_an_error_of_ours_in_a_check_of_the_catalogue_is_told_with_what_mostly_mends_it() -> None:
    (answer,) = run_checks([replace(raising(StoreError("no bucket")), name="shm")], Context())
    assert answer.fix == f"As the words on the left say. What mends it mostly: {MENDS['shm']}."


def test_checks_after_one_that_failed_are_skipped_and_so_are_those_after_them() -> None:
    checks = [
        Check("first", "", lambda _: fail("down", "start it")),
        Check("second", "", lambda _: ok(""), after=("first",)),
        Check("third", "", lambda _: ok(""), after=("second",)),
        Check("else", "", lambda _: ok(""), after=("unknown",)),
    ]
    answers = run_checks(checks, Context())
    assert [one.result for one in answers] == ["fail", "skipped", "skipped", "ok"]
    assert answers[1].seen == "not looked at: first did not pass"


def test_a_check_with_nothing_to_look_at_stops_no_other() -> None:
    checks = [
        Check("first", "", lambda _: ok(""), needs=("loop",)),
        Check("second", "", lambda _: ok("looked"), after=("first",)),
    ]
    assert [one.result for one in run_checks(checks, Context())] == ["skipped", "ok"]


def test_a_library_that_is_missing_fails_its_check_only() -> None:
    checks = [Check("lacks", "", lambda _: ok(""), imports=("no_such_library",)), Check("has", "", lambda _: ok(""))]
    lacks, has = run_checks(checks, Context())
    assert (lacks.result, has.result) == ("fail", "ok")
    assert "ModuleNotFoundError" in lacks.seen


def test_no_secret_is_told() -> None:
    profile = Profile.model_validate({"secrets": {"store": {"a": "AWS_SECRET_ACCESS_KEY", "b": "PLAIN_NAME"}}})
    environment = {"AWS_SECRET_ACCESS_KEY": "s3cr3t-key", "PLAIN_NAME": "from-a-secret", "HF_TOKEN": "hf_abcdef"}
    words = "said s3cr3t-key, from-a-secret, hf_abcdef and http://me:passw0rd@host/"
    checks = [Check("tells", "", lambda _: fail(words, words)), raising(ValueError(words))]
    for answer in run_checks(checks, Context(profile=profile, environment=environment)):
        assert not [one for one in ("s3cr3t-key", "from-a-secret", "hf_abcdef", "passw0rd") if one in str(answer)]


def test_a_failure_without_a_way_to_mend_it_is_refused() -> None:
    with pytest.raises(ValidationError, match="how to mend it"):
        Finding(result="fail", seen="broken")


def test_several_findings_are_as_bad_as_the_worst() -> None:
    found = worst([ok("one"), fail("two", "mend it."), fail("three", "mend it.")])
    assert (found.result, found.seen, found.fix) == ("fail", "two; three", "mend it.")
    assert worst([]).result == "skipped"


def test_checks_are_chosen_by_name() -> None:
    assert [one.name for one in chosen(["clock", "store"], ["clock"])] == ["store"]
    assert chosen() == list(CHECKS)
    with pytest.raises(RecipeError, match=r"there is no check stroe; .* store"):
        chosen(["stroe"])


def test_every_check_has_a_name_of_its_own_and_stands_after_those_that_it_rests_on() -> None:
    names = [one.name for one in CHECKS]
    assert len(set(names)) == len(names)
    assert [(one.name, after) for i, one in enumerate(CHECKS) for after in one.after if after not in names[:i]] == []
