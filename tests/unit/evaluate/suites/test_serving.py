"""How the command line names what runs a model: a server, its model, its key, and any field of an engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ratchet.cli.app import app
from ratchet.cli.engines import engine_of
from ratchet.errors import RecipeError
from ratchet.recipe import EndpointConfig, TransformersConfig, VllmConfig
from tests.judge_server import JudgeServer, serving
from tests.unit.evaluate.suites.benchmark import pope

URL = "http://host:1/v1"


def command(tmp_path: Path, *more: str) -> Result:
    files = str(pope(tmp_path / "files", parts=("random",)))
    return CliRunner().invoke(
        app, ["evaluate", "suite", "pope", "--from", files, "--out", str(tmp_path / "out"), "--json", *more]
    )


def test_the_recipes_engine_counts_unless_another_is_named() -> None:
    own = VllmConfig(max_model_len=512)
    assert engine_of(None, {}, [], own) == own
    assert engine_of("transformers", {}, [], own) == TransformersConfig()
    assert engine_of(None, {}, ["eager=true"], own) == VllmConfig(max_model_len=512, eager=True)
    server = {"url": URL, "model": "m", "key_env": "KEY"}
    asked = engine_of(None, server, ["concurrency=2", "dialect=openai"], own)
    assert asked == EndpointConfig(url=URL, model="m", key_env="KEY", concurrency=2, dialect="openai")


@pytest.mark.parametrize(
    ("kind", "server", "fields", "words"),
    [
        ("transformers", {"url": URL}, [], "engine transformers has no url; leave it out. A server is engine endpoint"),
        ("nosuch", {}, [], "--engine: there is no engine 'nosuch'"),
        ("endpoint", {}, ["concurrency=0"], "engine endpoint: concurrency 0: Input should be greater than 0"),
        ("endpoint", {}, ["concurrency"], "--set concurrency is no FIELD=VALUE"),
    ],
)
def test_what_an_engine_does_not_have_is_refused_in_words(
    kind: str, server: dict[str, str | None], fields: list[str], words: str
) -> None:
    with pytest.raises(RecipeError, match=words):
        engine_of(kind, server, fields, TransformersConfig())


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(RecipeError) as refused:
        engine_of(None, {"url": "http://me:secret@host/v1"}, [], TransformersConfig())
    assert "secret" not in str(refused.value)


def test_a_served_model_is_chosen_and_an_unknown_one_named_with_the_option_that_mends_it(tmp_path: Path) -> None:
    with serving(JudgeServer(lambda _: "yes")) as server:
        good = command(tmp_path, "--url", server.url, "--served-model", "judge-1", "--set", "concurrency=2")
        wrong = command(tmp_path, "--url", server.url, "--served-model", "other")
    assert good.exit_code == 0, good.output
    assert json.loads(good.stdout)["results"]["model"]["label"] == "judge-1"
    assert wrong.exit_code != 0
    assert "does not serve 'other'" in str(wrong.exception)
    assert "--served-model" in str(wrong.exception)


def test_a_suite_that_is_none_is_told_before_its_files_are_asked_for() -> None:
    missing = CliRunner().invoke(app, ["evaluate", "suite", "nosuch", "--model", "x"])
    assert "no suite 'nosuch'" in str(missing.exception)
