"""Recipe, profile, prompts, champion, models beside it, the servers that a recipe asks, and the hub."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ratchet.preflight import Answer, Asked
from ratchet.settings import Settings
from ratchet.store import open_store
from tests.endpoints import MODEL, FaultyEndpoint
from tests.endpoints import serving as serving_model
from tests.unit.loops import LOOP, new_loop
from tests.unit.preflight.checks import SMALL, answered, fails
from tests.unit.preflight.servers import serving


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = new_loop(tmp_path)
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    return made


def ask(name: str, recipe: str | None = SMALL, **more: str) -> Answer:
    return answered(name, Asked(loop=LOOP, recipe=recipe, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["profile", "recipe", "prompts", "champion"])
def test_a_small_loop_passes(settings: Settings, name: str) -> None:
    answer = ask(name)
    assert answer.result == "ok", answer


@pytest.mark.parametrize("name", ["recipe", "prompts", "models", "sampler", "judges", "hub"])
def test_without_a_recipe_there_is_nothing_to_look_at(settings: Settings, name: str) -> None:
    assert ask(name, None).result == "skipped"


@fails("recipe", "profile")
def test_a_recipe_or_profile_that_cannot_be_read_is_told_once(settings: Settings) -> None:
    assert ask("recipe", "{name: small, trian: {}}").result == "fail"
    assert ask("prompts", "{name: small, trian: {}}").seen == "the recipe cannot be read: see recipe"
    assert ask("profile", profile="{imagse: {}}").result == "fail"


def test_a_recipe_that_does_not_fit_the_profile_is_told(settings: Settings) -> None:
    answer = ask("recipe", profile="{name: small, methods: [dpo]}")
    assert (answer.result, "profile small allows dpo" in answer.seen) == ("fail", True)


@fails("prompts")
def test_a_prompt_set_that_is_not_there_is_told(settings: Settings) -> None:
    answer = ask("prompts", "{name: small, prompts: {source: nowhere}, promote: {min_items: 2}}")
    assert (answer.result, "no prompt set 'nowhere'" in answer.seen) == ("fail", True)


@fails("champion")
def test_a_loop_without_champion_is_told(settings: Settings) -> None:
    answer = answered("champion", Asked(loop="other"))
    assert (answer.result, "ratchet init --loop other" in answer.seen) == ("fail", True)
    assert answered("champion", Asked()).result == "skipped"
    assert answered("champion", Asked(loop=LOOP, seed="7")).result == "fail"


def test_a_champion_whose_bytes_are_gone_or_cut_is_told(settings: Settings) -> None:
    store = open_store(settings.root)
    (config,) = (one.uri for one in store.list(f"models/{LOOP}/") if one.uri.endswith("config.json"))
    store.put(store.key(config), b"longer than it was")
    assert "1 have another size" in ask("champion").seen
    store.delete(store.key(config))
    answer = ask("champion")
    assert (answer.result, "1 of its files are missing" in answer.seen) == ("fail", True)
    assert f"ratchet rollback --loop {LOOP}" in answer.fix
    for one in list(store.list(f"models/{LOOP}/")):
        store.delete(store.key(one.uri))
    assert "upload did not finish" in ask("champion").seen


def beside(source: str) -> str:
    judge = f"judges: {{other: {{model: '{source}'}}}}"
    return (
        f"{{name: small, verify: {{verifiers: [{{name: rubric, judge: other}}], {judge}}}, promote: {{min_items: 2}}}}"
    )


@fails("models")
def test_models_beside_the_seed_are_looked_for(settings: Settings, tmp_path: Path) -> None:
    assert ask("models").result == "skipped"
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes(b"{}")
    assert ask("models", beside(str(tmp_path))).result == "ok"
    assert ask("models", beside(f"models:/{LOOP}@champion")).result == "ok"
    for missing in (str(tmp_path / "none"), "models:/none@champion", f"models:/{LOOP}/9"):
        answer = ask("models", beside(missing))
        assert (answer.result, missing in answer.seen) == ("fail", True), answer


def test_a_model_in_s3_is_looked_for(settings: Settings, s3_root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_ROOT", settings.root)
    assert "no config.json" in ask("models", beside(f"{s3_root}/model")).seen
    open_store(s3_root).put("model/config.json", b"{}")
    assert ask("models", beside(f"{s3_root}/model")).result == "ok"


@pytest.fixture
def model() -> Iterator[FaultyEndpoint]:
    with serving_model(FaultyEndpoint(key="the-api-key")) as running:
        yield running


def asking(url: str, who: str, **fields: str) -> str:
    engine = ", ".join(f"{k}: {v}" for k, v in {"kind": "endpoint", "url": url, **fields}.items())
    if who == "sampler":
        return f"{{name: small, generate: {{engine: {{{engine}}}}}, promote: {{min_items: 2}}}}"
    judge = f"judges: {{one: {{engine: {{{engine}}}}}}}"
    return f"{{name: small, verify: {{verifiers: [{{name: rubric, judge: one}}], {judge}}}, promote: {{min_items: 2}}}}"


@pytest.mark.parametrize("who", ["sampler", "judges"])
def test_a_model_server_answers_one_token_or_is_told(
    settings: Settings, model: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    answer = ask(who, asking(model.url, who))
    assert (answer.result, "the API key is missing" in answer.seen) == ("fail", True)
    monkeypatch.setenv("RATCHET_ENDPOINT_KEY", "the-api-key")
    answer = ask(who, asking(model.url, who))
    assert (answer.result, f"{MODEL} at {model.url} answers" in answer.seen) == ("ok", True), answer
    assert model.paths[-2:] == ["/v1/models", "/v1/chat/completions"]
    assert model.seen[-1]["max_tokens"] == 1
    answer = ask(who, asking(model.url, who, model="another"))
    assert (answer.result, "not model another" in answer.seen) == ("fail", True)
    model.plan("503", always=True)
    assert ask(who, asking(model.url, who)).result == "fail"
    model.plan("404", always=True)
    assert "ends in /v1" in ask(who, asking(model.url, who)).seen
    assert ask("judges" if who == "sampler" else "sampler", asking(model.url, who)).result == "skipped"


@fails("sampler", "judges")
def test_a_model_server_that_is_away_or_has_no_address_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for who in ("sampler", "judges"):
        assert ask(who, asking("http://127.0.0.1:1/v1", who)).result == "fail"
    monkeypatch.delenv("RATCHET_ENDPOINT_URL", raising=False)
    answer = ask("sampler", "{name: small, generate: {engine: endpoint}, promote: {min_items: 2}}")
    assert (answer.result, "RATCHET_ENDPOINT_URL" in answer.seen) == ("fail", True)


def test_begin_asks_the_servers_for_their_models_only(
    settings: Settings, model: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATCHET_ENDPOINT_KEY", "the-api-key")
    asked = Asked(loop=LOOP, recipe=asking(model.url, "sampler"))
    assert answered("sampler", asked, beginning=True).result == "ok"
    assert model.paths == ["/v1/models"]


def on_hub(method: str, path: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
    if path == "/api/models/org/open/revision/main":
        return 200, {}, json.dumps({"sha": "0" * 40}).encode()
    if path == "/api/models/org/gated/revision/main":
        return (200 if headers.get("authorization") == "Bearer hf_right" else 401), {}, b""
    return 404, {}, b""


@fails("hub")
def test_models_on_the_hub_are_looked_for_with_our_token(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert ask("hub").result == "skipped"
    with serving(on_hub) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert ask("hub", beside("hf://org/open")).result == "ok"
        assert ask("hub", beside("hf://org/none@v1")).result == "fail"
        assert "no HF_TOKEN is set" in ask("hub", beside("hf://org/gated@main")).seen
        monkeypatch.setenv("HF_TOKEN", "hf_right")
        assert ask("hub", beside("hf://org/gated@main")).result == "ok"
    assert "does not answer" in ask("hub", beside("hf://org/open")).seen
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert ask("hub", beside("hf://org/nothing-cached")).result == "fail"
