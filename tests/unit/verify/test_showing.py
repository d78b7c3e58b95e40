"""What `ratchet verify` and `ratchet filter` print: the manifest's numbers, and rows in words."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from ratchet.artifacts import GROUPS, Artifact, Manifest
from ratchet.cli.app import app
from ratchet.filter import showing as filtered
from ratchet.records import Part, Verdict
from ratchet.settings import Settings
from ratchet.stage import STAGES
from ratchet.store import Store
from ratchet.verify import showing
from ratchet.verify.disagreement import disagreeing
from tests.unit.loops import LOOP
from tests.unit.report.organised import organised_loop


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Store, dict[str, Manifest]]:
    return organised_loop(tmp_path_factory.mktemp("showing"))


def test_the_lines_have_the_manifests_numbers(loop: tuple[Settings, Store, dict[str, Manifest]]) -> None:
    manifest = loop[2]["verify"]
    first, *lines = showing.lines(manifest)
    counts = manifest.counts
    assert f"{counts['completions']} completions: {counts['passed']} passed, {counts['failed']} failed" in first
    for name, reasons in manifest.results["verifiers"].items():
        line = next(one for one in lines if one.startswith(f"  {name}: "))
        assert all(f"{reason} {number}" in line for reason, number in reasons.items())
    assert sum(" agree on " in one for one in lines) == 3
    decided = next(one for one in lines if one.startswith("  decided: "))
    assert "several together failed" in decided


def test_disagreements_show_only_answers_on_which_verifiers_disagree(
    loop: tuple[Settings, Store, dict[str, Manifest]],
) -> None:
    _, store, done = loop
    told = showing.disagreements_in_words(store, done["verify"], 1000)
    found = [
        completion
        for group in Artifact.open(store, done["verify"].uri, GROUPS).rows()
        for completion in group.completions
        if disagreeing(completion.verdicts)
    ]
    assert len([line for line in told if re.match(r"    \d+: ", line)]) == len(found) > 0
    said = [line.strip() for line in told if line.startswith("       ")]
    assert len(said) == sum(len(one.verdicts) for one in found)
    assert {line.split(":")[0] for line in said} >= {"numeric", "exact"}
    some = showing.disagreements_in_words(store, done["verify"], 2)
    assert sum(line.startswith("[") for line in some) == 2


def test_every_word_of_a_verdict_is_shown_on_one_line() -> None:
    verdict = Verdict(
        verifier="claims", version="1", score=0.5, passed=False, reason="refuted", detail="a\nred\tcircle",
        parts=(Part(name="is red", score=1), Part(name="is\nround", score=0)),
    )  # fmt: skip
    assert showing._verdict(verdict) == "claims: wrong 0.5 (refuted: a red circle; is red 1, is round 0)"
    crashed = Verdict(verifier="rubric", version="1", reason="crash", error="ValueError: x")
    assert showing._verdict(crashed) == "rubric: unscored (crash: ValueError: x)"


def test_what_was_kept_is_shown_with_its_counts(loop: tuple[Settings, Store, dict[str, Manifest]]) -> None:
    _, store, done = loop
    manifest = done["filter"]
    first, *lines = filtered.lines(manifest)
    assert first.startswith(f"filter: {manifest.counts['kept']} of {manifest.counts['rows']} prompts kept")
    for reason, number in manifest.results["reasons"].items():
        assert f"{reason} {number}" in lines[0]
    kept = filtered.rows_in_words(store, manifest, 3)
    assert sum(line.startswith("[") for line in kept) == 3
    assert any(" pair: " in line for line in kept)


def test_the_commands_print_rows_and_json(
    loop: tuple[Settings, Store, dict[str, Manifest]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _, done = loop
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    run = CliRunner().invoke
    out = run(app, ["verify", "--loop", LOOP, "--disagreeing", "2", "--show", "1"])
    assert out.exit_code == 0, out.output
    assert out.output.count("(picture ") == 3
    out = run(app, ["filter", "--loop", LOOP, "--json"])
    assert json.loads(out.stdout)["content_digest"] == done["filter"].content_digest
    out = run(app, ["filter", "--loop", LOOP, "--show", "3"])
    assert out.output.count("  (for ") == 3


def test_help_lists_the_stages_in_the_order_in_which_they_run() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    places = [re.search(rf"^. {stage} ", shown, re.MULTILINE) for stage in STAGES]
    assert [one.start() for one in places if one] == sorted(one.start() for one in places if one)
    assert all(places)
