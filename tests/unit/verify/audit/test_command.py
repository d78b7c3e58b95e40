"""`ratchet verify audit`: what it prints, what it leaves alone, and what mistakes are answered with."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ratchet import rounds
from ratchet.auditing import AuditOptions, audit_loop
from ratchet.cli import app as cli
from ratchet.errors import VerifierError
from ratchet.loop import init_loop
from ratchet.promptset import open_part, open_set
from ratchet.settings import Settings
from ratchet.store import open_store
from ratchet.verify.audit import AuditResult
from tests.program import Ratchet, program

VOTES = "{name: votes, prompts: {validation: 36}, verify: {verifiers: [prompt, {name: majority, floor: 0.5}]}}"


@pytest.fixture
def ratchet_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ratchet:
    """The program as a shell starts it: exit code, output, errors."""
    return program(monkeypatch, capsys, "verify", "audit")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A store with a loop whose champion is the shipped seed."""
    made = Settings(root=str(tmp_path / "store"), registry="store")
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    init_loop(made, "mine", "tinyworld")
    return made


def test_a_loop_without_a_round_is_measured_by_a_recipe_and_nothing_of_it_changes(
    ratchet_: Ratchet, settings: Settings
) -> None:
    code, out, err = ratchet_("--loop", "mine", "--recipe", VOTES, "--prompts", "9", "-k", "2", "--json")
    assert code == 0, err
    found = AuditResult.model_validate(json.loads(out))
    assert (found.prompts, found.answers, found.k, found.truth) == (9, 18, 2, "prompt")
    assert "majority ..." in err
    store = open_store(settings.root)
    assert not rounds.numbers(store, "mine")
    assert store.stat("loops/mine/lease.json") is None
    again = audit_loop(settings, AuditOptions("mine", VOTES, 9, 2))
    assert again.without_seconds() == found.without_seconds()


def test_labels_of_people_measure_the_rules_too(ratchet_: Ratchet, settings: Settings, tmp_path: Path) -> None:
    audit_loop(settings, AuditOptions("mine", VOTES, 1, 1))
    store = open_store(settings.root)
    prompts = list(open_part(store, open_set(store, "mine-audit"), "validation").rows())[:6]
    lines = [
        json.dumps({"prompt_id": prompt.id, "text": prompt.reference, "right": number > 0, "author": "anna"})
        for number, prompt in enumerate(prompts)
    ]
    (tmp_path / "labels.jsonl").write_text("\n".join(lines))
    code, out, err = ratchet_("-l", "mine", "-r", VOTES, "--labels", str(tmp_path / "labels.jsonl"), "--json")
    assert code == 0, err
    found = AuditResult.model_validate(json.loads(out))
    together = found.of("always_pass")
    assert together is not None
    assert (found.truth, found.models) == ("labels", ("anna",))
    assert (together.answers.true_positives, together.answers.false_positives) == (5, 1)


def test_the_tiny_world_needs_no_loop_and_its_oracle_measures_the_rules(ratchet_: Ratchet) -> None:
    code, out, err = ratchet_("--tinyworld", "-r", VOTES, "-n", "9", "-k", "2")
    assert code == 0, err
    assert "is the truth" not in out
    assert "On 9 validation prompts with 18 answers" in " ".join(out.split())
    for name in ("numeric", "objects", "majority", "combined", "always_pass", "coin"):
        assert f"\n{name} " in out
    assert "passing everything" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--loop", "mine"), 9, "has no round whose recipe could be measured; name one: `ratchet verify audit --loop mine --recipe NAME`"),
        (("--loop", "other", "-r", VOTES), 9, "loop other has no champion to start from"),
        (("--loop", "mine", "-r", "{name: a, verify: {verifiers: [majorty]}}"), 2, "majorty"),
        (("--tinyworld", "--labels", "l.jsonl"), 2, "--labels is for loops; leave it out, or leave out --tinyworld"),
        (("--loop", "mine", "-r", VOTES, "--labels", "none.jsonl"), 7, "labels none.jsonl cannot be read"),
        (("--loop", "mine", "-r", "{name: a, prompts: {source: nowhere}}"), 3, "no prompt set 'nowhere'"),
    ],
)  # fmt: skip
def test_mistakes_are_answered_with_what_to_do(
    ratchet_: Ratchet, settings: Settings, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended, _, err = ratchet_(*arguments)
    assert ended == code, err
    assert said in err.replace("│ ", "").replace(" │", "")


def test_the_stage_itself_still_answers_to_verify(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["ratchet", "verify", "--loop", "mine"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 9
    assert "loop mine has no round yet" in " ".join(capsys.readouterr().err.split())


def test_a_set_without_validation_is_not_measured_on_another_split(settings: Settings) -> None:
    with pytest.raises(VerifierError, match="has no validation split, and no other may be looked at"):
        audit_loop(settings, AuditOptions("mine", VOTES.replace("validation: 36", "validation: 0")))
