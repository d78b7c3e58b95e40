"""docs/evaluation.md says what is: fields, results, recipes."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from ratchet.recipe import ContaminationConfig, EvaluateConfig, SuiteConfig, parse

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "evaluation.md").read_text()


def test_the_table_of_a_suites_fields_is_that_of_the_recipe() -> None:
    part = TEXT.split("## Suites in a recipe")[1].split("`begin` prepares")[0]
    assert re.findall(r"^\| `(\w+)` \|", part, re.M) == sorted(
        SuiteConfig.model_fields, key=[*re.findall(r"^\| `(\w+)` \|", part, re.M)].index
    )


def test_the_recipes_shown_are_valid() -> None:
    for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.S):
        given = yaml.safe_load(block)
        found = parse({"name": "shown", **given}).evaluate
        assert found.suites or found.contamination == ContaminationConfig()


def test_the_defaults_shown_are_the_recipes() -> None:
    shown = re.search(r"contamination: \{near_bits: (\d+), ngram: (\d+)\}", TEXT)
    assert shown is not None
    assert EvaluateConfig().contamination == ContaminationConfig(near_bits=int(shown[1]), ngram=int(shown[2]))


def test_the_keys_of_a_suites_results_are_those_that_are_written() -> None:
    from ratchet.evaluate.suites import results, suite

    part = TEXT.split("The manifest of evaluate has")[1].split("Outcomes of suites")[0]
    told = {name for row in re.findall(r"^\| (`.*?) \|", part, re.M) for name in re.findall(r"`(\w+)`", row)}
    written = set(results.described(suite("pope"), "d", 1, None)) | {
        "candidate",
        "champion",
        "delta",
        "contamination",
        "notes",
    }
    assert told == written - {"title", "measures"}
