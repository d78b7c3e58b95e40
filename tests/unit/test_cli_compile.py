"""`ratchet compile` and `ratchet profile`: what they print, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ratchet.cli.app import app
from ratchet.errors import RecipeError
from ratchet.profile import Profile, loading

PINNED = [
    part
    for name in ("core", "inference", "training")
    for part in ("--image", f"{name}=r.example/{name}@sha256:{'a' * 64}")
]


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, words)
    if isinstance(done.exception, RecipeError):
        return done.exception.exit_code, str(done.exception)
    return done.exit_code, done.output


def test_a_round_is_compiled_with_images_of_the_command_line(tmp_path: Path) -> None:
    out = tmp_path / "made" / "round.yaml"
    code, said = run("compile", "-o", str(out), "--profile", "gpu", *PINNED, "--recipe", "dpo", "--recipe", "rft")
    assert (code, said) == (0, f"{out}: one round, placed by profile gpu\n")
    spec, platform = yaml.safe_load_all(out.read_text())
    assert spec["deploymentSpec"]["executors"]["exec-begin"]["container"]["image"].startswith("r.example/core@sha256:")
    assert platform["platforms"]["kubernetes"]


def test_this_machines_profile_is_compiled_and_told_to_be_no_clusters(tmp_path: Path) -> None:
    code, said = run("compile", "-o", str(tmp_path / "round.yaml"))
    assert code == 0
    assert "which no cluster can pull" in said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--profile", "gpu"], 2, "only holds a place"),
        (["--profile", "gpu", *PINNED, "--image", "core=r.example/core:1"], 2, "A tag may be moved"),
        (["--profile", "nowhere"], 2, "no profile file nowhere; give a path to a YAML file or a shipped name"),
        (["--profile", "cpu", *PINNED, "--recipe", "nothing"], 2, "no recipe 'nothing'"),
        (["--image", "core"], 2, "is not SET=REFERENCE"),
        (["--image", "gpu=x"], 2, "has no image gpu"),
    ],
)
def test_a_round_that_could_not_run_is_not_compiled(words: list[str], code: int, said: str, tmp_path: Path) -> None:
    found = run("compile", "-o", str(tmp_path / "round.yaml"), *words)
    assert found[0] == code
    assert said in " ".join(found[1].split())
    assert not (tmp_path / "round.yaml").exists()


def test_a_file_of_another_kind_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    code, said = run("compile", "-o", str(tmp_path / "round.json"), "--profile", "nowhere")
    assert code == 2
    assert "must end in .yaml" in " ".join(said.split())


def test_a_recipe_that_needs_more_than_the_profile_has_is_refused(tmp_path: Path) -> None:
    code, said = run(
        "compile",
        "-o",
        str(tmp_path / "r.yaml"),
        "--profile",
        "cpu",
        *PINNED,
        "--recipe",
        "{name: a, generate: {engine: {kind: vllm}}}",
    )
    assert code == 2
    assert "profile cpu has transformers, endpoint" in said


def test_what_show_prints_is_a_profile_again() -> None:
    code, said = run("profile", "show", "multi-gpu")
    assert code == 0
    assert Profile.load(said) == Profile.load("multi-gpu")
    assert Profile.model_validate(json.loads(run("profile", "show", "multi-gpu", "--json")[1])) == Profile.load(
        "multi-gpu"
    )


def test_the_list_names_every_shipped_profile() -> None:
    assert [one["name"] for one in json.loads(run("profile", "list", "--json")[1])] == loading.names()
    code, said = run("profile", "list")
    assert code == 0
    assert all(name in said for name in loading.names())


def test_the_schema_knows_every_field() -> None:
    schema = json.loads(run("profile", "schema")[1])
    assert schema["properties"].keys() == Profile.model_fields.keys()
    assert schema["additionalProperties"] is False


def test_check_says_for_each_recipe_whether_it_fits() -> None:
    code, said = run("profile", "check", "cpu", *PINNED, "--recipe", "dpo", "--json")
    assert (code, json.loads(said)) == (0, {"profile": "cpu", "recipes": {"dpo": "fits"}})
    code, said = run("profile", "check", "cpu", *PINNED, "--recipe", "{name: a, generate: {engine: {kind: vllm}}}")
    assert code == 2
    assert "generates with engine vllm" in said
    code, said = run("profile", "check", "cpu")
    assert code == 2
    assert "only holds a place" in said
